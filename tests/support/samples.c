/* SPDX-License-Identifier: MIT */
#include "support/samples.h"

#include "support/t.h"

void t_raw(struct t_sample *sample, const void *data, size_t length)
{
	assert_true(length <= sizeof(sample->data) - sample->length);
	if (length)
		memcpy(sample->data + sample->length, data, length);
	sample->length += length;
}

void t_raw_text(struct t_sample *sample, const char *text)
{
	t_raw(sample, text, strlen(text));
}

void t_le(struct t_sample *sample, uint64_t number, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		unsigned char byte = (unsigned char)(number >> 8 * i);

		t_raw(sample, &byte, 1);
	}
}

void t_be(struct t_sample *sample, uint64_t number, size_t size)
{
	while (size-- > 0) {
		unsigned char byte = (unsigned char)(number >> 8 * size);

		t_raw(sample, &byte, 1);
	}
}

/* Bit by bit, unlike the library's. */
static uint32_t crc(const unsigned char *data, size_t length)
{
	uint32_t value = 0xffffffff;

	for (size_t i = 0; i < length; i++) {
		value ^= data[i];
		for (int bit = 0; bit < 8; bit++)
			value = value & 1 ? value >> 1 ^ 0xedb88320 : value >> 1;
	}
	return ~value;
}

void t_png_signature(struct t_sample *sample)
{
	t_raw(sample, "\x89PNG\r\n\x1a\n", 8);
}

void t_png_chunk(struct t_sample *sample, const char *type, const void *data,
		 size_t length)
{
	size_t start;

	t_be(sample, length, 4);
	start = sample->length;
	t_raw_text(sample, type);
	t_raw(sample, data, length);
	t_be(sample, crc(sample->data + start, 4 + length), 4);
}

void t_png_ihdr(struct t_sample *sample, uint32_t width, uint32_t height, int colour)
{
	struct t_sample data = { 0 };

	t_be(&data, width, 4);
	t_be(&data, height, 4);
	t_be(&data, 8, 1);
	t_be(&data, (uint64_t)colour, 1);
	t_be(&data, 0, 3);
	t_png_chunk(sample, "IHDR", data.data, data.length);
}

void t_png_control(struct t_sample *sample, uint32_t sequence, uint32_t width,
		   uint32_t height, uint32_t x, uint32_t y)
{
	struct t_sample data = { 0 };

	t_be(&data, sequence, 4);
	t_be(&data, width, 4);
	t_be(&data, height, 4);
	t_be(&data, x, 4);
	t_be(&data, y, 4);
	t_raw(&data, "\0\x01\0\x0a\0\0", 6);
	t_png_chunk(sample, "fcTL", data.data, data.length);
}

void t_png(struct t_sample *sample)
{
	/* A zlib stream of one stored block: two rows of filter 0 and three pixels. */
	static const unsigned char pixels[] = { 0x78, 0x01, 0x01, 0x08, 0x00, 0xf7, 0xff,
						0x00, 0x01, 0x02, 0x03, 0x00, 0x04, 0x05,
						0x06, 0x00, 0x4d, 0x00, 0x16 };

	t_png_signature(sample);
	t_png_ihdr(sample, 3, 2, 0);
	t_png_chunk(sample, "tEXt", "Title\0none", 10);
	t_png_chunk(sample, "IDAT", pixels, sizeof(pixels));
	t_png_chunk(sample, "IEND", NULL, 0);
}

void t_jpeg_segment(struct t_sample *sample, int code, const void *data, size_t length)
{
	t_be(sample, 0xff, 1);
	t_be(sample, (uint64_t)code, 1);
	t_be(sample, length + 2, 2);
	t_raw(sample, data, length);
}

void t_jpeg_tables(struct t_sample *sample)
{
	unsigned char quantization[65];
	static const unsigned char huffman[18] = { 0x00, 1 };

	memset(quantization, 1, sizeof(quantization));
	quantization[0] = 0;
	t_jpeg_segment(sample, 0xdb, quantization, sizeof(quantization));
	t_jpeg_segment(sample, 0xc4, huffman, sizeof(huffman));
}

void t_jpeg_frame(struct t_sample *sample, unsigned width, unsigned height)
{
	struct t_sample data = { 0 };

	t_be(&data, 8, 1);
	t_be(&data, height, 2);
	t_be(&data, width, 2);
	t_raw(&data, "\x01\x01\x11\x00", 4);
	t_jpeg_segment(sample, 0xc0, data.data, data.length);
}

void t_jpeg_scan(struct t_sample *sample)
{
	t_jpeg_segment(sample, 0xda, "\x01\x01\x00\x00\x3f\x00", 6);
	t_raw(sample, "\x12\xff\x00\x34\xff\xd0\x56", 7);
}

void t_jpeg(struct t_sample *sample)
{
	t_raw(sample, "\xff\xd8", 2);
	t_jpeg_segment(sample, 0xe0, "JFIF\0\x01\x01\0\0\x01\0\x01\0\0", 14);
	t_jpeg_tables(sample);
	t_jpeg_frame(sample, 3, 2);
	t_jpeg_scan(sample);
	t_raw(sample, "\xff\xff\xd9", 3);
}

void t_gif_header(struct t_sample *sample, unsigned width, unsigned height)
{
	t_raw_text(sample, "GIF89a");
	t_le(sample, width, 2);
	t_le(sample, height, 2);
	t_raw(sample, "\x80\0\0\0\0\0\xff\xff\xff", 9);
}

void t_gif_image(struct t_sample *sample, unsigned width, unsigned height)
{
	t_raw(sample, "\x2c\0\0\0\0", 5);
	t_le(sample, width, 2);
	t_le(sample, height, 2);
	t_raw(sample, "\0\x02\x02\x44\x01\0", 6);
}

void t_gif(struct t_sample *sample)
{
	t_gif_header(sample, 3, 2);
	t_raw(sample, "\x21\xf9\x04\0\x0a\0\0\0", 8);
	t_gif_image(sample, 3, 2);
	t_raw_text(sample, ";");
}

void t_webp_begin(struct t_sample *sample)
{
	t_raw(sample, "RIFF\0\0\0\0WEBP", 12);
}

void t_webp_chunk(struct t_sample *sample, const char *type, const void *data,
		  size_t length)
{
	t_raw_text(sample, type);
	t_le(sample, length, 4);
	t_raw(sample, data, length);
	t_le(sample, 0, length % 2);
}

void t_webp_canvas(struct t_sample *sample, unsigned flags, uint32_t width,
		   uint32_t height)
{
	struct t_sample data = { 0 };

	t_le(&data, flags, 4);
	t_le(&data, width - 1, 3);
	t_le(&data, height - 1, 3);
	t_webp_chunk(sample, "VP8X", data.data, data.length);
}

void t_webp_image(struct t_sample *sample, uint32_t width, uint32_t height)
{
	struct t_sample data = { 0 };

	t_le(&data, 0x2f, 1);
	t_le(&data, (width - 1) | (height - 1) << 14, 4);
	t_le(&data, 0x1234, 2);
	t_webp_chunk(sample, "VP8L", data.data, data.length);
}

void t_webp_frame(struct t_sample *sample, uint32_t x, uint32_t width, uint32_t height)
{
	struct t_sample data = { 0 };

	t_le(&data, x / 2, 3);
	t_le(&data, 0, 3);
	t_le(&data, width - 1, 3);
	t_le(&data, height - 1, 3);
	t_le(&data, 100, 4);
	t_webp_image(&data, width, height);
	t_webp_chunk(sample, "ANMF", data.data, data.length);
}

void t_webp_end(struct t_sample *sample)
{
	struct t_sample size = { 0 };

	t_le(&size, sample->length - 8, 4);
	memcpy(sample->data + 4, size.data, 4);
}

void t_webp(struct t_sample *sample)
{
	t_webp_begin(sample);
	t_webp_image(sample, 3, 2);
	t_webp_end(sample);
}

void t_pdf(struct t_sample *sample)
{
	static const char *const objects[] = {
		"1 0 obj\n<</Type/Catalog/Pages 2 0 R>>\nendobj\n",
		"2 0 obj\n<</Type/Pages/Kids[3 0 R]/Count 1>>\nendobj\n",
		"3 0 obj\n<</Type/Page/Parent 2 0 R/MediaBox[0 0 200 100]>>\nendobj\n",
	};
	char xref[256] = "xref\n0 4\n0000000000 65535 f \n";
	char tail[128];

	t_raw_text(sample, "%PDF-1.7\n%\xe2\xe3\xcf\xd3\n");
	for (size_t i = 0; i < SGH_COUNT(objects); i++) {
		snprintf(xref + strlen(xref), sizeof(xref) - strlen(xref),
			 "%010zu 00000 n \n", sample->length);
		t_raw_text(sample, objects[i]);
	}
	snprintf(tail, sizeof(tail),
		 "trailer\n<</Size 4/Root 1 0 R>>\nstartxref\n%zu\n%%%%EOF\n",
		 sample->length);
	t_raw_text(sample, xref);
	t_raw_text(sample, tail);
}
