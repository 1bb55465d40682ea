/* ws_handshake.c - the values of the WebSocket handshake's headers (RFC 6455 section 4, RFC 7692 sections 5 and 7.1).
 *
 * Sec-WebSocket-Extensions is a comma-separated list of offers, each a name and parameters behind semicolons, with
 * values as tokens or quoted strings.  An offer with anything we do not know is declined and the next one is looked at;
 * a header that is not of this form is declined as a whole: the connection works without compression too. */
#include "http/ws.h"

#include "http/ws_deflate.h"

#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define ACCEPT_SUFFIX "258EAFA5-E914-47DA-95CA-C5AB0DC85B11" /* RFC 6455 section 1.3 */
#define KEY_LENGTH (WS_KEY_SIZE - 1)
#define KEY_BYTES 16
#define SHA1_BYTES 20

#define EXTENSION_NAME "permessage-deflate"

/* The longest extension or parameter name or value that matters; longer ones are unknown by their length. */
#define WORD_SIZE 40

/* ---- key and accept ---- */

static bool is_base64(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' || c == '/';
}

bool ws_key_valid(const char *key)
{
    if (!key || strnlen(key, WS_KEY_SIZE) != KEY_LENGTH)
        return false;
    for (size_t i = 0; i < KEY_LENGTH - 2; i++) {
        if (!is_base64(key[i]))
            return false;
    }
    return key[KEY_LENGTH - 2] == '=' && key[KEY_LENGTH - 1] == '=';
}

ac_status ws_accept_key(const char *key, char ret_accept[WS_ACCEPT_SIZE])
{
    char text[KEY_LENGTH + sizeof(ACCEPT_SUFFIX)];
    unsigned char digest[SHA1_BYTES];

    if (!ws_key_valid(key))
        return AC_ERR_INVALID;
    memcpy(text, key, KEY_LENGTH);
    memcpy(text + KEY_LENGTH, ACCEPT_SUFFIX, sizeof(ACCEPT_SUFFIX));
    if (EVP_Digest(text, sizeof(text) - 1, digest, NULL, EVP_sha1(), NULL) != 1)
        return AC_ERR_INTERNAL;
    EVP_EncodeBlock((unsigned char *)ret_accept, digest, sizeof(digest));
    return AC_OK;
}

ac_status ws_make_key(char ret_key[WS_KEY_SIZE])
{
    unsigned char bytes[KEY_BYTES];

    if (RAND_bytes(bytes, sizeof(bytes)) != 1)
        return AC_ERR_IO;
    EVP_EncodeBlock((unsigned char *)ret_key, bytes, sizeof(bytes));
    return AC_OK;
}

/* ---- reading lists ---- */

static bool is_space(char c)
{
    return c == ' ' || c == '\t';
}

static bool is_token(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

static const char *skip_space(const char *at)
{
    while (is_space(*at))
        at++;
    return at;
}

bool ws_header_has_token(const char *value, const char *token)
{
    size_t wanted = strlen(token);

    for (const char *at = value; at && *at;) {
        at = skip_space(at);
        size_t length = strcspn(at, ",");
        const char *next = at[length] ? at + length + 1 : at + length;

        while (length > 0 && is_space(at[length - 1]))
            length--;
        if (length == wanted && wanted > 0 && strncasecmp(at, token, wanted) == 0)
            return true;
        at = next;
    }
    return false;
}

/* Where we are in an extension list.  A list that breaks the grammar ends there, and broken stays set. */
typedef struct cursor {
    const char *at;
    bool broken;
} cursor;

/* A name or value; "" stands for one that is longer than any we know. */
typedef struct word {
    char text[WORD_SIZE];
} word;

static void word_add(word *w, size_t *length, char c)
{
    if (*length < WORD_SIZE - 1)
        w->text[*length] = c;
    ++*length;
}

static void word_end(word *w, size_t length)
{
    w->text[length < WORD_SIZE ? length : 0] = '\0';
}

static void read_token(cursor *c, word *ret_word)
{
    size_t length = 0;

    c->at = skip_space(c->at);
    while (is_token(*c->at))
        word_add(ret_word, &length, *c->at++);
    if (length == 0)
        c->broken = true;
    word_end(ret_word, length);
    c->at = skip_space(c->at);
}

static void read_quoted(cursor *c, word *ret_word)
{
    size_t length = 0;

    for (c->at++; *c->at && *c->at != '"'; c->at++) {
        if (*c->at == '\\' && c->at[1])
            c->at++;
        word_add(ret_word, &length, *c->at);
    }
    if (*c->at == '"')
        c->at++;
    else
        c->broken = true;
    word_end(ret_word, length);
    c->at = skip_space(c->at);
}

/* Step over one character if it is next. */
static bool take(cursor *c, char wanted)
{
    if (c->broken || *c->at != wanted)
        return false;
    c->at++;
    return true;
}

/* ---- permessage-deflate ---- */

/* What one offer or answer says; bits are 0 when not named, CLIENT_BITS_ANY for the parameter without a value. */
typedef struct deflate_terms {
    bool acceptable; /* permessage-deflate, every parameter known, valid and named once */
    bool server_no_context;
    bool client_no_context;
    int server_bits;
    int client_bits;
} deflate_terms;

#define CLIENT_BITS_ANY 1

/* 8 to 15, without leading zeros; 0 for anything else. */
static int parse_bits(const char *text)
{
    if ((text[0] == '8' || text[0] == '9') && text[1] == '\0')
        return text[0] - '0';
    if (text[0] == '1' && text[1] >= '0' && text[1] <= '5' && text[2] == '\0')
        return 10 + text[1] - '0';
    return 0;
}

static bool set_flag(bool *flag, const char *value)
{
    bool first = !*flag;

    *flag = true;
    return first && !value;
}

static bool set_bits(int *bits, const char *value, int without_value)
{
    bool first = *bits == 0;

    *bits = value ? parse_bits(value) : without_value;
    return first && *bits != 0;
}

/* Note one parameter; value is NULL when it has none.  False: unknown, malformed or there already. */
static bool set_parameter(deflate_terms *terms, const char *name, const char *value)
{
    if (strcasecmp(name, "server_no_context_takeover") == 0)
        return set_flag(&terms->server_no_context, value);
    if (strcasecmp(name, "client_no_context_takeover") == 0)
        return set_flag(&terms->client_no_context, value);
    if (strcasecmp(name, "server_max_window_bits") == 0)
        return set_bits(&terms->server_bits, value, 0);
    if (strcasecmp(name, "client_max_window_bits") == 0)
        return set_bits(&terms->client_bits, value, CLIENT_BITS_ANY);
    return false;
}

/* One element of the list, up to and with its comma.  False at the end of the list and where the grammar breaks. */
static bool next_terms(cursor *c, deflate_terms *ret_terms)
{
    word name;
    word value;

    *ret_terms = (deflate_terms){0};
    for (c->at = skip_space(c->at); *c->at == ','; c->at = skip_space(c->at + 1))
        ; /* a list may have empty elements */
    if (*c->at == '\0')
        return false;

    read_token(c, &name);
    ret_terms->acceptable = strcasecmp(name.text, EXTENSION_NAME) == 0;
    while (take(c, ';')) {
        bool has_value = false;

        read_token(c, &name);
        if (take(c, '=')) {
            has_value = true;
            c->at = skip_space(c->at);
            if (*c->at == '"')
                read_quoted(c, &value);
            else
                read_token(c, &value);
        }
        if (!set_parameter(ret_terms, name.text, has_value ? value.text : NULL))
            ret_terms->acceptable = false;
    }
    if (!take(c, ',') && *c->at != '\0')
        c->broken = true;
    return !c->broken;
}

static bool write_answer(const deflate_terms *terms, char *ret_response, size_t response_size)
{
    int needed = terms->server_bits == 0 ? snprintf(ret_response, response_size, "%s", WS_DEFLATE_OFFER)
                                         : snprintf(ret_response, response_size, "%s; server_max_window_bits=%d",
                                                    WS_DEFLATE_OFFER, terms->server_bits);

    return needed > 0 && (size_t)needed < response_size;
}

bool ws_deflate_negotiate(const char *offers, char *ret_response, size_t response_size, uint8_t *ret_window_bits)
{
    cursor c = {.at = offers ? offers : ""};
    deflate_terms chosen = {0};
    deflate_terms terms;

    while (next_terms(&c, &terms)) {
        bool writable = terms.server_bits == 0 || terms.server_bits >= WS_WINDOW_BITS_MIN;
        if (!chosen.acceptable && terms.acceptable && writable)
            chosen = terms;
    }
    if (c.broken || !chosen.acceptable || !write_answer(&chosen, ret_response, response_size))
        return false;
    *ret_window_bits = (uint8_t)(chosen.server_bits ? chosen.server_bits : WS_WINDOW_BITS_MAX);
    return true;
}

bool ws_deflate_accepted(const char *response)
{
    cursor c = {.at = response ? response : ""};
    deflate_terms answer;
    deflate_terms more;

    if (!next_terms(&c, &answer) || !answer.acceptable)
        return false;

    /* Our reader needs every message to stand alone, and what we did not offer may not be used. */
    if (!answer.server_no_context || answer.client_bits != 0)
        return false;
    return !next_terms(&c, &more) && !c.broken;
}
