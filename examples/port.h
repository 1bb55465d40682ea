/* port.h - the optional argument that every example takes: the TCP port to serve on, 8080 when there is none. */
#ifndef EXAMPLES_PORT_H
#define EXAMPLES_PORT_H

#include <stdio.h>
#include <stdlib.h>

static inline int port_argument(int argc, char **argv)
{
    if (argc < 2)
        return 8080;

    char *end = NULL;
    long port = strtol(argv[1], &end, 10);
    if (end == argv[1] || *end != '\0' || port < 1 || port > 65535) {
        fprintf(stderr, "%s: '%s' is not a port (1 to 65535)\n", argv[0], argv[1]);
        exit(2);
    }
    return (int)port;
}

#endif
