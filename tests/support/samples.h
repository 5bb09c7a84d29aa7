/* SPDX-License-Identifier: MIT */
#ifndef T_SAMPLES_H
#define T_SAMPLES_H

#include <stddef.h>
#include <stdint.h>

/*
 * Small valid objects, made here byte by byte, and the parts to make bad ones from. A
 * sample has room for 4 KiB; what does not fit fails the case.
 */
struct t_sample {
	size_t length;
	unsigned char data[4096];
};

void t_raw(struct t_sample *sample, const void *data, size_t length);
void t_raw_text(struct t_sample *sample, const char *text);
/* `size` bytes of a number, big or little end first. */
void t_be(struct t_sample *sample, uint64_t number, size_t size);
void t_le(struct t_sample *sample, uint64_t number, size_t size);

/* 3 x 2 pixels; accepted. The PDF has one empty page, 200 x 100. */
void t_png(struct t_sample *sample);
void t_jpeg(struct t_sample *sample);
void t_gif(struct t_sample *sample);
void t_webp(struct t_sample *sample);
void t_pdf(struct t_sample *sample);

void t_png_signature(struct t_sample *sample);
void t_png_chunk(struct t_sample *sample, const char *type, const void *data,
		 size_t length);
/* Eight-bit grey, or with a palette when `colour` is 3. */
void t_png_ihdr(struct t_sample *sample, uint32_t width, uint32_t height, int colour);
/* fcTL: a frame of an animation. */
void t_png_control(struct t_sample *sample, uint32_t sequence, uint32_t width,
		   uint32_t height, uint32_t x, uint32_t y);

void t_jpeg_segment(struct t_sample *sample, int code, const void *data, size_t length);
/* Of quantization, and for Huffman coding: one each. */
void t_jpeg_tables(struct t_sample *sample);
/* Grey, 8 bits. */
void t_jpeg_frame(struct t_sample *sample, unsigned width, unsigned height);
void t_jpeg_scan(struct t_sample *sample);

void t_gif_header(struct t_sample *sample, unsigned width, unsigned height);
void t_gif_image(struct t_sample *sample, unsigned width, unsigned height);

/* RIFF header with a size of 0; t_webp_end() writes it. */
void t_webp_begin(struct t_sample *sample);
void t_webp_chunk(struct t_sample *sample, const char *type, const void *data,
		  size_t length);
void t_webp_canvas(struct t_sample *sample, unsigned flags, uint32_t width,
		   uint32_t height);
/* A lossless image, with its chunk header. */
void t_webp_image(struct t_sample *sample, uint32_t width, uint32_t height);
void t_webp_frame(struct t_sample *sample, uint32_t x, uint32_t width, uint32_t height);
void t_webp_end(struct t_sample *sample);

#endif
