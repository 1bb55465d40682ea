/* uuid.h - random identifiers. */
#ifndef BASE_UUID_H
#define BASE_UUID_H

#define UUID_SIZE 37 /* with the NUL */

/* A version 4 UUID (RFC 9562) in lower case.  Thread-safe; parent and child of a fork never make the same one. */
void uuid_v4(char ret_text[UUID_SIZE]);

#endif
