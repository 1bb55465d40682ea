/* room.c - the code interpreter joins the daemon. */
#include "daemon/code/room.h"

#include "daemon/code/code.h"

#include <stdlib.h>

static const front_operation control[] = {
    {API_CREATE_CODE_INTERPRETER, create_code_interpreter, NULL, true},
    {API_GET_CODE_INTERPRETER, get_code_interpreter, NULL, false},
    {API_LIST_CODE_INTERPRETERS, list_code_interpreters, NULL, false},
    {API_DELETE_CODE_INTERPRETER, delete_code_interpreter, NULL, true},
};

static const front_operation data[] = {
    {API_START_CODE_INTERPRETER_SESSION, start_code_interpreter_session, NULL, false},
    {API_GET_CODE_INTERPRETER_SESSION, get_code_interpreter_session, NULL, false},
    {API_LIST_CODE_INTERPRETER_SESSIONS, list_code_interpreter_sessions, NULL, false},
    {API_STOP_CODE_INTERPRETER_SESSION, stop_code_interpreter_session, NULL, false},
    {API_INVOKE_CODE_INTERPRETER, invoke_code_interpreter, NULL, false},
};

static ac_status register_all(front *f, const front_operation *operations, size_t count, code_room *room, ac_error *err)
{
    ac_status status = front_register(f, operations, count, room);

    return status == AC_OK ? AC_OK : ac_error_set(err, status, "its operations are served by another room");
}

ac_status code_register_control(front *f, code_room *room, ac_error *err)
{
    return register_all(f, control, ARRAY_SIZE(control), room, err);
}

static ac_status start(agentcored *d, void **ret_room, ac_error *err)
{
    code_room *room = calloc(1, sizeof *room);

    if (!room)
        return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
    room->daemon = d;
    room->store = d->store;
    room->sessions = d->sessions;
    pthread_mutex_init(&room->lock, NULL);
    *ret_room = room;
    AC_TRY(code_records_open(room, err));
    AC_TRY(code_register_control(d->front, room, err));
    return register_all(d->front, data, ARRAY_SIZE(data), room, err);
}

static void stop(void *room)
{
    code_room *r = room;

    if (!r)
        return;
    pthread_mutex_destroy(&r->lock);
    free(r->guest_directory);
    free(r);
}

const daemon_room code_room_row = {"code interpreter", start, stop};
