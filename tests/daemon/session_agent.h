/* session_agent.h - the program that sessions run in tests: a small HTTP server whose manners are words of its command
 * line and, later, paths of requests.
 *
 * Words: "port=N" listen there; "late=MS" after so long; "say=TEXT" write a line; "die=CODE" end at once; "stubborn" do
 * not end on SIGTERM; "flood" write without end; "wide" write AGENT_WIDE_BYTES at once and end; "busy", "sick", "mute"
 * as below.  SIGUSR1: write "signalled".
 * Paths: /ping the health; /say/TEXT write a line; /die/CODE end; /be/well, /be/busy (HealthyBusy), /be/sick (503),
 * /be/mute (no answer): the health from now on; /pid. */
#ifndef TESTS_DAEMON_SESSION_AGENT_H
#define TESTS_DAEMON_SESSION_AGENT_H

#define AGENT_WIDE_BYTES (512U << 10) /* more than a pipe holds usually */

/* When argv[1] is "agent", be one, and do not return. */
void session_agent_main(int argc, char **argv);

#endif
