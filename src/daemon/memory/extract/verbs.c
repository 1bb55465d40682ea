/* verbs.c - a few hundred verbs that people use about themselves, and the rules for their forms. */
#include "daemon/memory/extract/verbs.h"

#include "base/util.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* In order, for bsearch. */
static const char *const bases[] = {
    "accept",      "ache",       "achieve",    "act",        "adapt",     "add",        "admire",    "admit",
    "adopt",       "adore",      "advise",     "afford",     "agree",     "aim",        "allow",     "announce",
    "answer",      "appear",     "apply",      "appreciate", "argue",     "arrange",    "arrive",    "ask",
    "assist",      "assume",     "attend",     "avoid",      "bake",      "bathe",      "bear",      "beat",
    "become",      "beg",        "begin",      "behave",     "believe",   "belong",     "bike",      "bite",
    "blog",        "blow",       "boil",       "book",       "borrow",    "bother",     "bowl",      "box",
    "break",       "breathe",    "brew",       "bring",      "browse",    "build",      "burn",      "buy",
    "calculate",   "call",       "camp",       "care",       "carry",     "catch",      "celebrate", "change",
    "chat",        "check",      "choose",     "clean",      "climb",     "close",      "coach",     "code",
    "collect",     "come",       "commute",    "compare",    "compete",   "complain",   "complete",  "concentrate",
    "connect",     "consider",   "consist",    "contain",    "continue",  "contribute", "cook",      "cope",
    "copy",        "cost",       "count",      "cover",      "crave",     "create",     "cross",     "cry",
    "cut",         "cycle",      "dance",      "date",       "decide",    "decorate",   "defend",    "delay",
    "deliver",     "depend",     "describe",   "design",     "despise",   "destroy",    "detest",    "develop",
    "die",         "diet",       "dig",        "dine",       "disagree",  "discover",   "discuss",   "dislike",
    "dive",        "divide",     "do",         "donate",     "doubt",     "draw",       "dream",     "dress",
    "drink",       "drive",      "drop",       "dye",        "earn",      "eat",        "edit",      "email",
    "employ",      "enjoy",      "enrol",      "enroll",     "enter",     "escape",     "establish", "exercise",
    "exist",       "expect",     "experience", "explain",    "explore",   "face",       "fail",      "fall",
    "fancy",       "farm",       "favor",      "favour",     "fear",      "feed",       "feel",      "fight",
    "fill",        "find",       "finish",     "fish",       "fit",       "fix",        "fly",       "focus",
    "follow",      "forget",     "forgive",    "freeze",     "gain",      "garden",     "gather",    "get",
    "give",        "go",         "golf",       "graduate",   "grow",      "guess",      "guide",     "handle",
    "hang",        "happen",     "hate",       "have",       "head",      "hear",       "help",      "hesitate",
    "hide",        "hike",       "hire",       "hold",       "hope",      "host",       "hunt",      "hurry",
    "hurt",        "identify",   "ignore",     "imagine",    "improve",   "include",    "inherit",   "injure",
    "insist",      "install",    "intend",     "interview",  "introduce", "invent",     "invest",    "invite",
    "involve",     "iron",       "jog",        "join",       "joke",      "journal",    "juggle",    "jump",
    "keep",        "kick",       "kiss",       "knit",       "know",      "lack",       "last",      "laugh",
    "launch",      "lead",       "lean",       "learn",      "leave",     "lecture",    "lend",      "let",
    "lie",         "lift",       "like",       "listen",     "live",      "loathe",     "lock",      "look",
    "lose",        "love",       "make",       "manage",     "marry",     "matter",     "mean",      "measure",
    "meditate",    "meet",       "mention",    "migrate",    "mind",      "miss",       "mix",       "move",
    "need",        "notice",     "nurse",      "obtain",     "offer",     "open",       "operate",   "order",
    "organise",    "organize",   "overcome",   "owe",        "own",       "pack",       "paint",     "park",
    "participate", "pass",       "pay",        "perform",    "pick",      "plan",       "plant",     "play",
    "practice",    "practise",   "pray",       "prefer",     "prepare",   "present",    "prevent",   "print",
    "produce",     "program",    "promise",    "promote",    "propose",   "protect",    "prove",     "provide",
    "publish",     "pull",       "push",       "put",        "qualify",   "quit",       "race",      "raise",
    "read",        "realise",    "realize",    "receive",    "recommend", "record",     "recover",   "recycle",
    "reduce",      "refer",      "refuse",     "regret",     "relate",    "relax",      "relocate",  "rely",
    "remain",      "remember",   "remind",     "remove",     "renovate",  "rent",       "repair",    "repeat",
    "replace",     "reply",      "report",     "represent",  "request",   "require",    "research",  "reserve",
    "reside",      "resign",     "rest",       "retire",     "return",    "review",     "ride",      "ring",
    "rise",        "roast",      "row",        "ruin",       "run",       "sail",       "save",      "say",
    "search",      "see",        "seem",       "sell",       "send",      "separate",   "serve",     "set",
    "settle",      "sew",        "shake",      "share",      "shave",     "ship",       "shop",      "show",
    "shower",      "sing",       "sit",        "skate",      "sketch",    "ski",        "skip",      "sleep",
    "smell",       "smile",      "smoke",      "sneeze",     "snore",     "snowboard",  "solve",     "speak",
    "specialise",  "specialize", "spell",      "spend",      "stand",     "start",      "stay",      "steal",
    "stop",        "stream",     "stretch",    "struggle",   "study",     "stutter",    "subscribe", "succeed",
    "suffer",      "suggest",    "suit",       "supervise",  "support",   "suppose",    "surf",      "swim",
    "switch",      "take",       "talk",       "taste",      "teach",     "tell",       "tend",      "test",
    "text",        "thank",      "think",      "throw",      "tidy",      "touch",      "tour",      "train",
    "translate",   "travel",     "treat",      "trust",      "try",       "turn",       "tutor",     "type",
    "understand",  "unwind",     "upgrade",    "use",        "value",     "visit",      "volunteer", "vote",
    "wait",        "wake",       "walk",       "want",       "wash",      "waste",      "watch",     "water",
    "wear",        "weigh",      "welcome",    "win",        "wish",      "wonder",     "work",      "worry",
    "worship",     "write",      "yearn",
};

static const struct irregular {
    const char *form, *base;
    verb_form kind;
} irregulars[] = {
    {"arisen", "arise", VERB_PARTICIPLE},
    {"arose", "arise", VERB_PAST},
    {"ate", "eat", VERB_PAST},
    {"awoke", "awake", VERB_PAST},
    {"awoken", "awake", VERB_PARTICIPLE},
    {"beaten", "beat", VERB_PARTICIPLE},
    {"became", "become", VERB_PAST},
    {"been", "be", VERB_PARTICIPLE},
    {"began", "begin", VERB_PAST},
    {"begun", "begin", VERB_PARTICIPLE},
    {"bent", "bend", VERB_PAST},
    {"bit", "bite", VERB_PAST},
    {"bitten", "bite", VERB_PARTICIPLE},
    {"bled", "bleed", VERB_PAST},
    {"blew", "blow", VERB_PAST},
    {"blown", "blow", VERB_PARTICIPLE},
    {"bore", "bear", VERB_PAST},
    {"borne", "bear", VERB_PARTICIPLE},
    {"bought", "buy", VERB_PAST},
    {"bound", "bind", VERB_PAST},
    {"bred", "breed", VERB_PAST},
    {"broke", "break", VERB_PAST},
    {"broken", "break", VERB_PARTICIPLE},
    {"brought", "bring", VERB_PAST},
    {"built", "build", VERB_PAST},
    {"burnt", "burn", VERB_PAST},
    {"came", "come", VERB_PAST},
    {"caught", "catch", VERB_PAST},
    {"chose", "choose", VERB_PAST},
    {"chosen", "choose", VERB_PARTICIPLE},
    {"dealt", "deal", VERB_PAST},
    {"did", "do", VERB_PAST},
    {"done", "do", VERB_PARTICIPLE},
    {"drank", "drink", VERB_PAST},
    {"drawn", "draw", VERB_PARTICIPLE},
    {"dreamt", "dream", VERB_PAST},
    {"drew", "draw", VERB_PAST},
    {"driven", "drive", VERB_PARTICIPLE},
    {"drove", "drive", VERB_PAST},
    {"drunk", "drink", VERB_PARTICIPLE},
    {"dug", "dig", VERB_PAST},
    {"eaten", "eat", VERB_PARTICIPLE},
    {"fallen", "fall", VERB_PARTICIPLE},
    {"fed", "feed", VERB_PAST},
    {"fell", "fall", VERB_PAST},
    {"felt", "feel", VERB_PAST},
    {"flew", "fly", VERB_PAST},
    {"flown", "fly", VERB_PARTICIPLE},
    {"foresaw", "foresee", VERB_PAST},
    {"foreseen", "foresee", VERB_PARTICIPLE},
    {"forgave", "forgive", VERB_PAST},
    {"forgiven", "forgive", VERB_PARTICIPLE},
    {"forgot", "forget", VERB_PAST},
    {"forgotten", "forget", VERB_PARTICIPLE},
    {"fought", "fight", VERB_PAST},
    {"found", "find", VERB_PAST},
    {"froze", "freeze", VERB_PAST},
    {"frozen", "freeze", VERB_PARTICIPLE},
    {"gave", "give", VERB_PAST},
    {"given", "give", VERB_PARTICIPLE},
    {"gone", "go", VERB_PARTICIPLE},
    {"got", "get", VERB_PAST},
    {"gotten", "get", VERB_PARTICIPLE},
    {"grew", "grow", VERB_PAST},
    {"ground", "grind", VERB_PAST},
    {"grown", "grow", VERB_PARTICIPLE},
    {"had", "have", VERB_PAST},
    {"heard", "hear", VERB_PAST},
    {"held", "hold", VERB_PAST},
    {"hid", "hide", VERB_PAST},
    {"hidden", "hide", VERB_PARTICIPLE},
    {"hung", "hang", VERB_PAST},
    {"kept", "keep", VERB_PAST},
    {"knelt", "kneel", VERB_PAST},
    {"knew", "know", VERB_PAST},
    {"known", "know", VERB_PARTICIPLE},
    {"laid", "lay", VERB_PAST},
    {"leant", "lean", VERB_PAST},
    {"learnt", "learn", VERB_PAST},
    {"led", "lead", VERB_PAST},
    {"left", "leave", VERB_PAST},
    {"lent", "lend", VERB_PAST},
    {"lost", "lose", VERB_PAST},
    {"made", "make", VERB_PAST},
    {"meant", "mean", VERB_PAST},
    {"met", "meet", VERB_PAST},
    {"overcame", "overcome", VERB_PAST},
    {"paid", "pay", VERB_PAST},
    {"ran", "run", VERB_PAST},
    {"rang", "ring", VERB_PAST},
    {"rebuilt", "rebuild", VERB_PAST},
    {"rewritten", "rewrite", VERB_PARTICIPLE},
    {"rewrote", "rewrite", VERB_PAST},
    {"ridden", "ride", VERB_PARTICIPLE},
    {"risen", "rise", VERB_PARTICIPLE},
    {"rode", "ride", VERB_PAST},
    {"rose", "rise", VERB_PAST},
    {"rung", "ring", VERB_PARTICIPLE},
    {"said", "say", VERB_PAST},
    {"sang", "sing", VERB_PAST},
    {"sank", "sink", VERB_PAST},
    {"sat", "sit", VERB_PAST},
    {"saw", "see", VERB_PAST},
    {"seen", "see", VERB_PARTICIPLE},
    {"sent", "send", VERB_PAST},
    {"sewed", "sew", VERB_PAST},
    {"sewn", "sew", VERB_PARTICIPLE},
    {"shaken", "shake", VERB_PARTICIPLE},
    {"shook", "shake", VERB_PAST},
    {"shot", "shoot", VERB_PAST},
    {"showed", "show", VERB_PAST},
    {"shown", "show", VERB_PARTICIPLE},
    {"shrank", "shrink", VERB_PAST},
    {"shrunk", "shrink", VERB_PARTICIPLE},
    {"slept", "sleep", VERB_PAST},
    {"smelt", "smell", VERB_PAST},
    {"sold", "sell", VERB_PAST},
    {"sought", "seek", VERB_PAST},
    {"spent", "spend", VERB_PAST},
    {"spoke", "speak", VERB_PAST},
    {"spoken", "speak", VERB_PARTICIPLE},
    {"spun", "spin", VERB_PAST},
    {"stole", "steal", VERB_PAST},
    {"stolen", "steal", VERB_PARTICIPLE},
    {"stood", "stand", VERB_PAST},
    {"struck", "strike", VERB_PAST},
    {"stuck", "stick", VERB_PAST},
    {"sung", "sing", VERB_PARTICIPLE},
    {"sunk", "sink", VERB_PARTICIPLE},
    {"swam", "swim", VERB_PAST},
    {"swept", "sweep", VERB_PAST},
    {"swum", "swim", VERB_PARTICIPLE},
    {"swung", "swing", VERB_PAST},
    {"taken", "take", VERB_PARTICIPLE},
    {"taught", "teach", VERB_PAST},
    {"thought", "think", VERB_PAST},
    {"threw", "throw", VERB_PAST},
    {"thrown", "throw", VERB_PARTICIPLE},
    {"told", "tell", VERB_PAST},
    {"took", "take", VERB_PAST},
    {"undergone", "undergo", VERB_PARTICIPLE},
    {"understood", "understand", VERB_PAST},
    {"underwent", "undergo", VERB_PAST},
    {"undid", "undo", VERB_PAST},
    {"undone", "undo", VERB_PARTICIPLE},
    {"was", "be", VERB_PAST},
    {"went", "go", VERB_PAST},
    {"were", "be", VERB_PAST},
    {"withdrawn", "withdraw", VERB_PARTICIPLE},
    {"withdrew", "withdraw", VERB_PAST},
    {"woke", "wake", VERB_PAST},
    {"woken", "wake", VERB_PARTICIPLE},
    {"won", "win", VERB_PAST},
    {"wore", "wear", VERB_PAST},
    {"worn", "wear", VERB_PARTICIPLE},
    {"written", "write", VERB_PARTICIPLE},
    {"wrote", "write", VERB_PAST},
};

static bool is_vowel(char c)
{
    return c != '\0' && strchr("aeiou", c) != NULL;
}

static bool ends_in(const char *text, size_t length, const char *ending)
{
    size_t n = strlen(ending);

    return length > n && memcmp(text + length - n, ending, n) == 0;
}

static int compare_base(const void *key, const void *entry)
{
    return strcmp(key, *(const char *const *)entry);
}

static bool is_base(const char *text)
{
    return bsearch(text, bases, ARRAY_SIZE(bases), sizeof *bases, compare_base);
}

static int compare_irregular(const void *key, const void *entry)
{
    return strcmp(key, ((const struct irregular *)entry)->form);
}

void verb_third_person(const char *base, char ret_form[VERB_SIZE])
{
    size_t length = strlen(base);

    if (length + 3 > VERB_SIZE)
        snprintf(ret_form, VERB_SIZE, "%.*s", VERB_SIZE - 1, base);
    else if (strcmp(base, "have") == 0)
        snprintf(ret_form, VERB_SIZE, "%s", "has");
    else if (strcmp(base, "be") == 0)
        snprintf(ret_form, VERB_SIZE, "%s", "is");
    else if (length > 1 && base[length - 1] == 'y' && !is_vowel(base[length - 2]))
        snprintf(ret_form, VERB_SIZE, "%.*sies", (int)length - 1, base);
    else if (ends_in(base, length, "s") || ends_in(base, length, "sh") || ends_in(base, length, "ch") ||
             ends_in(base, length, "x") || ends_in(base, length, "z") || ends_in(base, length, "o"))
        snprintf(ret_form, VERB_SIZE, "%ses", base);
    else
        snprintf(ret_form, VERB_SIZE, "%ss", base);
}

/* The base that stem is the beginning of: itself, with an e, with y for i, without a doubled consonant. */
static bool find_base(const char *text, size_t stem, char ret_base[VERB_SIZE])
{
    snprintf(ret_base, VERB_SIZE, "%.*s", (int)stem, text);
    if (is_base(ret_base))
        return true;
    snprintf(ret_base, VERB_SIZE, "%.*se", (int)stem, text);
    if (is_base(ret_base))
        return true;
    if (stem > 1 && text[stem - 1] == 'i') {
        snprintf(ret_base, VERB_SIZE, "%.*sy", (int)stem - 1, text);
        return is_base(ret_base);
    }
    if (stem > 2 && text[stem - 1] == text[stem - 2]) {
        snprintf(ret_base, VERB_SIZE, "%.*s", (int)stem - 1, text);
        return is_base(ret_base);
    }
    return false;
}

/* "lying", "dying". */
static bool find_gerund(const char *text, size_t length, char ret_base[VERB_SIZE])
{
    if (find_base(text, length - 3, ret_base))
        return true;
    if (!ends_in(text, length, "ying"))
        return false;
    snprintf(ret_base, VERB_SIZE, "%.*sie", (int)length - 4, text);
    return is_base(ret_base);
}

verb_form verb_find(const char *text, char ret_base[VERB_SIZE])
{
    size_t length = strlen(text);
    const struct irregular *irregular;

    ret_base[0] = '\0';
    if (length == 0 || length + 3 > VERB_SIZE)
        return VERB_NONE;
    irregular = bsearch(text, irregulars, ARRAY_SIZE(irregulars), sizeof *irregulars, compare_irregular);
    if (irregular) {
        snprintf(ret_base, VERB_SIZE, "%s", irregular->base);
        return irregular->kind;
    }
    if (strcmp(text, "has") == 0 || strcmp(text, "is") == 0) {
        snprintf(ret_base, VERB_SIZE, "%s", text[0] == 'h' ? "have" : "be");
        return VERB_THIRD;
    }
    if (is_base(text)) {
        snprintf(ret_base, VERB_SIZE, "%s", text);
        return VERB_BASE;
    }
    if (ends_in(text, length, "ing") && find_gerund(text, length, ret_base))
        return VERB_GERUND;
    if (ends_in(text, length, "ed") && find_base(text, length - 2, ret_base))
        return VERB_PAST;
    if (ends_in(text, length, "es") && find_base(text, length - 2, ret_base))
        return VERB_THIRD;
    if (ends_in(text, length, "s") && !ends_in(text, length, "ss") && find_base(text, length - 1, ret_base))
        return VERB_THIRD;
    ret_base[0] = '\0';
    return VERB_NONE;
}

bool verb_looks_past(const char *text)
{
    size_t length = strlen(text);

    return length >= 5 && ends_in(text, length, "ed") && !ends_in(text, length, "eed");
}

static bool listed(const char *text, const char *const *words, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(text, words[i]) == 0)
            return true;
    return false;
}

bool verb_is_modal(const char *text)
{
    static const char *const words[] = {"can",   "could",    "will",      "would",   "should",  "must",
                                        "may",   "might",    "shall",     "can't",   "cannot",  "couldn't",
                                        "won't", "wouldn't", "shouldn't", "mustn't", "mightn't"};

    return listed(text, words, ARRAY_SIZE(words));
}

bool verb_is_auxiliary(const char *text)
{
    static const char *const words[] = {
        "is",    "are",    "was",    "were",    "am",     "has",     "have",   "had",     "does",  "do",     "did",
        "isn't", "aren't", "wasn't", "weren't", "hasn't", "haven't", "hadn't", "doesn't", "don't", "didn't", "ain't"};

    return verb_is_modal(text) || listed(text, words, ARRAY_SIZE(words));
}
