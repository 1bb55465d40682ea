/* lexicon.c - words of liking and of topics. */
#include "daemon/memory/extract/lexicon.h"

#include "daemon/memory/extract/verbs.h"

#include <string.h>

/* ---- preferences ---- */

/* Said of the user: the words behind "the user", adverbs and negation left out. */
static const char *const sayings[] = {
    "stand",
    "bear",
    "is fond of",
    "is keen on",
    "is into",
    "is crazy about",
    "is mad about",
    "is obsessed with",
    "is interested in",
    "is passionate about",
    "is allergic to",
    "is intolerant",
    "is lactose",
    "is gluten",
    "is gluten-free",
    "is vegetarian",
    "is a vegetarian",
    "is vegan",
    "is a vegan",
    "is pescatarian",
    "is a pescatarian",
    "is teetotal",
    "is scared of",
    "is afraid of",
    "is tired of",
    "is sick of",
    "is terrified of",
    "would rather",
    "would prefer",
    "would love",
    "would like to be called",
    "wants to be called",
    "wants the assistant",
    "keeps kosher",
    "eats halal",
    "is diabetic",
    "has an allergy",
    "has a sweet tooth",
    "has celiac disease",
    "is celiac",
    "is coeliac",
    "cares about",
    "believes in",
    "is a fan of",
    "is a big fan of",
    "is a huge fan of",
    "is an avid",
    "is a lover of",
};

/* Verbs that are a preference whatever stands with them. */
#define LIKING                                                                                                         \
    " like love adore enjoy prefer hate dislike detest loathe despise fancy favor favour crave avoid appreciate value "

/* Verbs that are one when done always, never, or not at all. */
#define DOING                                                                                                          \
    " eat drink order use choose fly travel book watch listen read wear buy drive take stay sit cook smoke play go "   \
    "shop pick work pay sleep wake commute add put have "

#define HABIT " always never usually mostly rarely normally typically generally hardly seldom only mainly often "

static bool any_word(const phrase *p, const char *list)
{
    for (size_t i = 0; i < p->count; i++)
        if (word_in(phrase_low(p, i), list))
            return true;
    return false;
}

/* The words behind the subject "the user" without adverbs and negation; *ret_habit, *ret_negated: there were some. */
static size_t predicate(const phrase *p, phrase_token *out, size_t room, bool *ret_habit, bool *ret_negated)
{
    size_t count = 0;

    for (size_t i = 2; i < p->count && count < room; i++) {
        const char *low = phrase_low(p, i);

        if (count < 2 && word_in(low, HABIT)) {
            *ret_habit = true;
            continue;
        }
        if (count < 2 && word_in(low, " does not cannot did do very so quite really longer no ")) {
            *ret_negated |= word_in(low, " not cannot no ");
            continue;
        }
        out[count++] = p->tokens[i];
    }
    return count;
}

bool lexicon_is_preference(const phrase *fact)
{
    phrase_token tokens[8];
    bool habit = false, negated = false;
    phrase rest = {tokens, 0};
    char base[VERB_SIZE];

    if (any_word(fact, " favourite favorite favourites favorites preferred go-to preference preferences "))
        return true;
    if (!phrase_is(fact, 0, "the user", NULL))
        return false;
    if (any_word(fact, " allergic allergy intolerant intolerance "))
        return true;
    rest.count = predicate(fact, tokens, ARRAY_SIZE(tokens), &habit, &negated);
    for (size_t i = 0; i < ARRAY_SIZE(sayings); i++)
        if (phrase_is(&rest, 0, sayings[i], NULL))
            return true;
    if (phrase_is(&rest, 0, "is a", NULL) && any_word(&rest, " fan lover person enthusiast addict "))
        return true;
    verb_form form = verb_find(phrase_low(&rest, 0), base);
    if (form == VERB_NONE || form == VERB_PAST || form == VERB_PARTICIPLE)
        return false;
    return word_in(base, LIKING) || ((habit || negated) && word_in(base, DOING));
}

/* ---- topics ---- */

/* Words in the singular; of plurals the s is taken off. */
static const struct {
    const char *name, *words;
} topics[] = {
    {"food",
     " food sushi tuna fish meat beef pork chicken lamb pizza pasta bread rice noodle ramen soup salad cheese egg "
     "fruit apple cherry banana orange pear berry strawberry grape mango melon peach vegetable broccoli spinach "
     "carrot potato tomato onion garlic mushroom olive pepper cilantro coriander nut peanut almond shellfish seafood "
     "shrimp prawn lobster crab oyster salmon chocolate dessert cake cookie candy sweet sugar salt spice spicy curry "
     "taco burrito burger sandwich steak bacon sausage breakfast lunch dinner brunch meal snack dish cuisine "
     "restaurant eat eating cook cooking bake baking recipe vegetarian vegan pescatarian gluten gluten-free lactose "
     "dairy diet low-carb kosher halal diabetic celiac honey butter yogurt cereal oatmeal pancake waffle kebab "
     "falafel hummus tofu bean lentil ice-cream barbecue bbq wheat wasabi pineapple allergy allergic vinegar "
     "mayonnaise ketchup mustard italian thai mexican indian cheesecake "},
    {"drink",
     " drink drinking coffee tea espresso cappuccino latte milk juice water soda cola lemonade beer wine whisky "
     "whiskey vodka gin cocktail alcohol smoothie cocoa "},
    {"travel",
     " travel travelling traveling trip flight fly flying airline airport plane hotel hostel airbnb vacation holiday "
     "beach cruise train tour destination seat aisle window visa passport backpacking camping lufthansa ryanair "
     "luggage resort sightseeing abroad "},
    {"music",
     " music jazz rock pop classical opera concert band song singer guitar piano violin drum album playlist hip-hop "
     "rap techno metal blues choir orchestra karaoke "},
    {"film and television",
     " movie film cinema tv television show series documentary anime cartoon sitcom thriller comedy drama horror "
     "netflix actor actress director sci-fi "},
    {"reading", " book novel author read reading poem poetry fiction magazine library comic fantasy mystery "
                "biography newspaper literature "},
    {"sport",
     " sport football soccer basketball tennis golf running run swim swimming hike hiking cycling bike yoga gym "
     "fitness workout exercise climbing skiing ski snowboarding surfing volleyball baseball hockey cricket rugby "
     "marathon jogging pilates dancing dance boxing martial match team athletics badminton rowing sailing "},
    {"games", " game gaming chess poker playstation xbox nintendo videogame puzzle boardgame sudoku crossword "},
    {"technology",
     " technology computer laptop phone iphone android app software programming code coding python java javascript "
     "rust c kubernetes linux windows mac editor keyboard gadget internet website database server ai tesla dark mode "
     "emoji emojis ide vim emacs typescript golang postgresql cloud machine "},
    {"work", " work job office meeting career company colleague boss manager remote remotely project client business "
             "deadline report standup employer team "},
    {"learning",
     " study learn learning language course school university class maths physics history science astronomy "
     "chemistry biology philosophy art museum photography "},
    {"animals", " dog cat pet horse bird animal puppy kitten rabbit hamster parrot spider snake wildlife dinosaur "},
    {"home",
     " house home apartment garden gardening furniture kitchen bedroom room decoration neighbourhood city village "
     "quiet "},
    {"health",
     " health doctor medicine medication sleep therapy dentist vitamin meditation smoke smoking insulin stress "},
    {"clothing",
     " clothes clothing shoe dress shirt jeans jacket fashion hat color colour blue red green black white purple "
     "yellow pink wear "},
    {"shopping", " shop shopping buy brand price budget store gift discount "},
    {"communication",
     " email call called phone text message assistant answer spanish english german french language concise brief "
     "celsius metric unit contacted name "},
    {"people",
     " family friend people crowd party wife husband kid child children sister brother parent mother father "},
};

static bool is_about(const char *low, const char *words)
{
    char singular[VERB_SIZE];
    size_t length = strlen(low);

    if (word_in(low, words))
        return true;
    if (length < 4 || length >= sizeof singular || low[length - 1] != 's')
        return false;
    memcpy(singular, low, length);
    singular[length - 1] = '\0';
    if (word_in(singular, words))
        return true;
    if (length > 4 && memcmp(low + length - 3, "ies", 3) == 0)
        memcpy(singular + length - 3, "y", 2);
    else if (memcmp(low + length - 2, "es", 2) == 0)
        singular[length - 2] = '\0';
    return word_in(singular, words);
}

size_t lexicon_categories(const phrase *fact, const char *ret_categories[CATEGORIES_MAX])
{
    unsigned hits[ARRAY_SIZE(topics)] = {0};
    size_t count = 0;

    for (size_t i = 0; i < fact->count; i++)
        for (size_t t = 0; t < ARRAY_SIZE(topics); t++)
            hits[t] += *phrase_low(fact, i) && is_about(phrase_low(fact, i), topics[t].words);
    while (count < CATEGORIES_MAX) {
        size_t best = 0;

        for (size_t t = 1; t < ARRAY_SIZE(topics); t++)
            if (hits[t] > hits[best])
                best = t;
        if (hits[best] == 0)
            break;
        hits[best] = 0;
        ret_categories[count++] = topics[best].name;
    }
    if (count == 0)
        ret_categories[count++] = "general";
    return count;
}
