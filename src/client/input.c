/* input.c - waiting for the next bytes of an answer, with a deadline for each wait. */
#include "client/client_internal.h"

#include "base/clock.h"

#include <limits.h>

uint64_t client_deadline(int timeout_ms, unsigned usual_ms)
{
    return clock_monotonic_ms() + (timeout_ms < 0 ? usual_ms : (unsigned)timeout_ms);
}

ac_status client_input_fill(client_input *input, http_transfer *transfer, uint64_t until_ms, ac_error *err)
{
    uint64_t now = clock_monotonic_ms();
    uint64_t left = until_ms > now ? until_ms - now : 0;
    size_t length = 0;

    if (input->at < input->end || input->ended)
        return AC_OK;
    AC_TRY(http_transfer_read(transfer, input->bytes, sizeof input->bytes, (int)MIN(left, (uint64_t)INT_MAX), &length,
                              err));
    input->at = 0;
    input->end = length;
    input->ended = length == 0;
    return AC_OK;
}
