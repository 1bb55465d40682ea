/* eventstream_internal.h - what reading and writing event streams share. */
#ifndef AWS_EVENTSTREAM_INTERNAL_H
#define AWS_EVENTSTREAM_INTERNAL_H

#include "aws/eventstream.h"

/* How a type's value lies on the wire. */
typedef struct eventstream_shape {
    uint8_t bytes; /* of the value, or of its length when it is counted */
    bool number;   /* signed, big-endian */
    bool counted;  /* a length, then that many bytes */
} eventstream_shape;

extern const eventstream_shape eventstream_shapes[EVENTSTREAM_UUID + 1];

/* Whether one of count headers has the name of wanted. */
bool eventstream_has_name(const eventstream_header *headers, size_t count, const eventstream_header *wanted);

#endif
