/* SPDX-License-Identifier: MIT */
#include "fuzz/fuzz.h"

#include "base/bytes.h"
#include "wire/protocol.h"

/* Events, as a client reads them: which object they are about. */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sgh_message *message = sgh_message_new();
	struct sangraha_error err = { 0 };
	char type[SANGRAHA_TYPE_SIZE];
	char id[SANGRAHA_ID_SIZE];
	int status;

	message->body = size ? sgh_bytes_copy(data, size) : NULL;
	status = sgh_event_subject(message, type, id, &err);
	if (status) {
		fuzz_explained(status, &err);
	} else {
		fuzz_require(sgh_type_name_valid(type));
		fuzz_require(sangraha_id_valid(id));
	}
	sgh_message_free(message);
	return 0;
}
