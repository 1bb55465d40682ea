/* api_validate.c - the server's check of an input against everything its description says.
 *
 * The only file that needs patterns, so a program that never validates does not bring the pattern library in. */
#include "aws/api_internal.h"

ac_status api_validate(const api_operation *op, api_input *input, api_problems *problems, ac_error *err)
{
    api_walk walk = {
        .doc = input->doc,
        .problems = problems,
        .unknown = API_UNKNOWN_REMOVE,
        .times = API_TIMES_FROM_WIRE,
        .check_type = true,
        .check_required = true,
        .match = api_pattern_match,
    };
    const api_shape *structure = &api_shapes[op->input];

    api_walk_structure(&walk, structure, yyjson_mut_doc_get_root(input->doc), input->payload.text != NULL);
    if (op->in_body == API_BODY_BLOB && input->payload.text) {
        const api_member *member = &api_members[structure->first + op->in_payload];
        const char *name = api_text(member->name);

        walk.path_length = MIN(strlen(name), sizeof walk.path);
        memcpy(walk.path, name, walk.path_length);
        api_check_limits(&walk, &api_shapes[member->shape], (double)input->payload.length, "length");
    }
    if (walk.nomem)
        return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
    if (problems->count == 0)
        return AC_OK;

    char text[sizeof(ac_error){0}.message];
    api_problems_text(problems, text, sizeof text);
    return ac_error_set(err, AC_ERR_INVALID, "%s", text);
}
