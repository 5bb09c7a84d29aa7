/* SPDX-License-Identifier: MIT */
#include "base/error.h"
#include "http/transfer.h"

/* How a transfer ended, told to whoever asked for it. */

/* Every CURLcode that a request can end with, as what the caller can do about it. */
static int translate(CURLcode code, bool unsent)
{
	switch (code) {
	case CURLE_OK:
		return SANGRAHA_OK;
	case CURLE_OPERATION_TIMEDOUT:
		/* Ours are told apart before; this one is connecting. */
		return unsent ? SANGRAHA_E_UNAVAILABLE : SANGRAHA_E_TIMEOUT;
	case CURLE_OUT_OF_MEMORY:
		return SANGRAHA_E_OVERLOADED;
	case CURLE_SSL_CACERT_BADFILE:
		return SANGRAHA_E_INVALID;
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_CONNECT:
	case CURLE_GOT_NOTHING:
	case CURLE_SEND_ERROR:
	case CURLE_SEND_FAIL_REWIND:
	case CURLE_RECV_ERROR:
	case CURLE_PARTIAL_FILE:
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_INTERFACE_FAILED:
		return SANGRAHA_E_UNAVAILABLE;
	default:
		return SANGRAHA_E_INTERNAL;
	}
}

/*
 * Whether a complete error came before the connection broke by what we were still sending:
 * a peer need not read a body that it has refused.
 */
static bool answered(const struct sgh_transfer *transfer, CURLcode code)
{
	const struct sgh_http_request *request = transfer->request;
	const struct sgh_framing *framing = &transfer->response.framing;

	return (code == CURLE_SEND_ERROR || code == CURLE_RECV_ERROR) && framing->final &&
	       framing->ended && request->code >= 300 &&
	       sgh_framing_length(framing) == (int64_t)request->text.length;
}

/* How far it got: whether anything was sent, and why there was no connection. */
static void tell_sending(const struct sgh_transfer *transfer, CURLcode code)
{
	struct sgh_http_request *request = transfer->request;
	curl_off_t pretransfer = 0;
	long native = 0;

	request->unsent = false;
	if (transfer->kept)
		return;
	curl_easy_getinfo(transfer->easy, CURLINFO_PRETRANSFER_TIME_T, &pretransfer);
	request->unsent = code != CURLE_OK && pretransfer == 0 && !transfer->resent;
	curl_easy_getinfo(transfer->easy, CURLINFO_OS_ERRNO, &native);
	if (request->unsent && code == CURLE_COULDNT_CONNECT)
		request->refused = (int)native;
}

/* What curl takes for a header, and is none, or only the beginning of one. */
static int check_header(const struct sgh_framing *framing, struct sangraha_error *err)
{
	if (framing->bad && !framing->code)
		return sgh_fail(err, SANGRAHA_E_INTERNAL, 0, "the answer is not HTTP");
	if (framing->two_lengths)
		return sgh_fail(err, SANGRAHA_E_INTERNAL, 0,
				"the answer has two lengths");
	if (!framing->final || !framing->ended)
		return sgh_fail(err, SANGRAHA_E_UNAVAILABLE, 0,
				"the connection broke within the header");
	return 0;
}

void sgh_transfer_result(struct sgh_transfer *transfer, CURLcode code)
{
	struct sgh_http_request *request = transfer->request;

	if (answered(transfer, code))
		code = CURLE_OK;
	tell_sending(transfer, code);
	if (transfer->refusal) {
		request->status = sgh_fail(&request->err, transfer->refusal_status, 0,
					   "%s", transfer->refusal);
		return;
	}
	request->status = 0;
	if (code == CURLE_OK)
		request->status =
			check_header(&transfer->response.framing, &request->err);
	if (request->status)
		return;
	request->status = translate(code, request->unsent);
	if (request->status) {
		sgh_fail(&request->err, request->status, (long)code, "%s",
			 transfer->curl_error[0] ? transfer->curl_error
						 : curl_easy_strerror(code));
		return;
	}
	if (!request->want_data || request->push || request->data ||
	    request->code / 100 != 2)
		return;
	request->data = sgh_bytes_new(NULL, 0);
	if (!request->data)
		request->status = sgh_fail_memory(&request->err);
}
