/* check_memory.c - what memory search would find more with. */
#include "daemon/check.h"

#include "daemon/memory/search/search.h"

check_state check_wordnet(const config *c, char detail[CHECK_DETAIL_SIZE])
{
    return memory_search_wordnet_check(c->wordnet_dir, detail, CHECK_DETAIL_SIZE) ? CHECK_OK : CHECK_MISSING;
}
