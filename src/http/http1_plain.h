/* http1_plain.h - reading the head of an ordinary request in one pass.
 *
 * llhttp is the judge of what a request is.  This is a short cut to the same verdict for heads about which there is
 * nothing to judge: HTTP/1.1, a common method, a path of ordinary characters, fields of one line each, one Host, at
 * most one Content-Length, and none of the fields that change how a message is read.  Everything else, every error
 * included, is left to llhttp. */
#ifndef HTTP_HTTP1_PLAIN_H
#define HTTP_HTTP1_PLAIN_H

#include "http/http1.h"

/* Fill message from the head that begins at data.  Returns how long it is; 0, and nothing is changed that llhttp would
 * have to undo, when it is not ordinary, not all there, larger than a limit, or when there is no memory for it. */
size_t http1_plain_head(http1_message *message, const http1_options *options, const char *data, size_t length);

/* Whether a Host field's value is host [":" port], with nothing in it that belongs to another part of a URI (RFC 9112
 * section 3.2). */
bool http1_host_valid(const char *value);

#endif
