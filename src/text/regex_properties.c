// SPDX-License-Identifier: Apache-2.0
// Properties of characters: by name into a set, and from a set into a class of PCRE2.
#include "text/code_set.h"

#include "text/regex.h"
#include "text/regex_tables.h"

#include <stdlib.h>
#include <string.h>

#define BIT(name) (1u << MM_##name)
enum {
    LETTERS = BIT(LU) | BIT(LL) | BIT(LT) | BIT(LM) | BIT(LO),
    MARKS = BIT(MN) | BIT(MC) | BIT(ME),
    NUMBERS = BIT(ND) | BIT(NL) | BIT(NO),
    PUNCTUATION = BIT(PC) | BIT(PD) | BIT(PS) | BIT(PE) | BIT(PI) | BIT(PF) | BIT(PO),
    SYMBOLS = BIT(SM) | BIT(SC) | BIT(SK) | BIT(SO),
    SEPARATORS = BIT(ZS) | BIT(ZL) | BIT(ZP),
    OTHERS = BIT(CC) | BIT(CF) | BIT(CO) | BIT(CN),
    ALL = (1u << MM_CATEGORIES) - 1,
};

typedef struct category_name {
    const char *name; // lower case without separators
    uint32_t categories;
} category_name;

static const category_name category_names[] = {
    {"l", LETTERS},
    {"letter", LETTERS},
    {"lc", BIT(LU) | BIT(LL) | BIT(LT)},
    {"casedletter", BIT(LU) | BIT(LL) | BIT(LT)},
    {"lu", BIT(LU)},
    {"uppercaseletter", BIT(LU)},
    {"ll", BIT(LL)},
    {"lowercaseletter", BIT(LL)},
    {"lt", BIT(LT)},
    {"titlecaseletter", BIT(LT)},
    {"lm", BIT(LM)},
    {"modifierletter", BIT(LM)},
    {"lo", BIT(LO)},
    {"otherletter", BIT(LO)},
    {"m", MARKS},
    {"mark", MARKS},
    {"combiningmark", MARKS},
    {"mn", BIT(MN)},
    {"nonspacingmark", BIT(MN)},
    {"mc", BIT(MC)},
    {"spacingmark", BIT(MC)},
    {"me", BIT(ME)},
    {"enclosingmark", BIT(ME)},
    {"n", NUMBERS},
    {"number", NUMBERS},
    {"nd", BIT(ND)},
    {"decimalnumber", BIT(ND)},
    {"digit", BIT(ND)},
    {"nl", BIT(NL)},
    {"letternumber", BIT(NL)},
    {"no", BIT(NO)},
    {"othernumber", BIT(NO)},
    {"p", PUNCTUATION},
    {"punctuation", PUNCTUATION},
    {"pc", BIT(PC)},
    {"connectorpunctuation", BIT(PC)},
    {"pd", BIT(PD)},
    {"dashpunctuation", BIT(PD)},
    {"ps", BIT(PS)},
    {"openpunctuation", BIT(PS)},
    {"pe", BIT(PE)},
    {"closepunctuation", BIT(PE)},
    {"pi", BIT(PI)},
    {"initialpunctuation", BIT(PI)},
    {"pf", BIT(PF)},
    {"finalpunctuation", BIT(PF)},
    {"po", BIT(PO)},
    {"otherpunctuation", BIT(PO)},
    {"s", SYMBOLS},
    {"symbol", SYMBOLS},
    {"sm", BIT(SM)},
    {"mathsymbol", BIT(SM)},
    {"sc", BIT(SC)},
    {"currencysymbol", BIT(SC)},
    {"sk", BIT(SK)},
    {"modifiersymbol", BIT(SK)},
    {"so", BIT(SO)},
    {"othersymbol", BIT(SO)},
    {"z", SEPARATORS},
    {"separator", SEPARATORS},
    {"zs", BIT(ZS)},
    {"spaceseparator", BIT(ZS)},
    {"zl", BIT(ZL)},
    {"lineseparator", BIT(ZL)},
    {"zp", BIT(ZP)},
    {"paragraphseparator", BIT(ZP)},
    {"c", OTHERS},
    {"other", OTHERS},
    {"cc", BIT(CC)},
    {"control", BIT(CC)},
    {"cntrl", BIT(CC)},
    {"cf", BIT(CF)},
    {"format", BIT(CF)},
    {"co", BIT(CO)},
    {"privateuse", BIT(CO)},
    {"cn", BIT(CN)},
    {"unassigned", BIT(CN)},
    {"assigned", ALL & ~BIT(CN)},
    {"any", ALL},
};

bool mm_code_set_add_categories(mm_code_set *set, uint32_t categories) {
    for (size_t i = 0; i < mm_category_runs_count; i++) {
        uint32_t run = mm_category_runs[i];
        uint32_t end = i + 1 < mm_category_runs_count ? mm_category_runs[i + 1] >> 8 : 0x110000;
        if ((categories >> (run & 0xFF) & 1) && !mm_code_set_add(set, run >> 8, end - 1))
            return false;
    }
    return true;
}

static int compare_property(const void *key, const void *row) {
    return strcmp(key, ((const mm_property *)row)->name);
}

static bool add_named(mm_code_set *set, const char *name, bool *known) {
    const mm_property *row = bsearch(name, mm_properties, mm_properties_count,
                                     sizeof(mm_properties[0]), compare_property);
    *known = row != NULL;
    for (uint32_t i = 0; row && i < row->count; i++) {
        mm_code_range range = mm_property_ranges[row->start + i];
        if (!mm_code_set_add(set, range.first, range.last))
            return false;
    }
    return true;
}

// Lower case without separators; false when it cannot be a name that is known.
static bool plain_name(char out[64], const char *name, size_t length) {
    size_t kept = 0;
    for (size_t i = 0; i < length; i++) {
        char c = name[i];
        if (c == ' ' || c == '-' || c == '_')
            continue;
        if (kept == 63 || c == '\0')
            return false;
        out[kept++] = c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
    }
    out[kept] = '\0';
    return true;
}

bool mm_code_set_add_property(mm_code_set *set, const char *name, size_t length, bool *known) {
    char plain[64];
    *known = true;
    if (!plain_name(plain, name, length)) {
        *known = false;
        return true;
    }
    if (strcmp(plain, "ascii") == 0)
        return mm_code_set_add(set, 0, 0x7F);
    if (strcmp(plain, "xdigit") == 0 || strcmp(plain, "asciihexdigit") == 0)
        return mm_code_set_add(set, '0', '9') && mm_code_set_add(set, 'a', 'f') &&
               mm_code_set_add(set, 'A', 'F');
    if (strcmp(plain, "alnum") == 0)
        return mm_code_set_add_categories(set, BIT(ND)) && add_named(set, "alphabetic", known);
    if (strcmp(plain, "word") == 0)
        return mm_code_set_add_categories(set, MARKS | BIT(ND) | BIT(PC)) &&
               add_named(set, "alphabetic", known);
    for (size_t i = 0; i < sizeof(category_names) / sizeof(category_names[0]); i++)
        if (strcmp(category_names[i].name, plain) == 0)
            return mm_code_set_add_categories(set, category_names[i].categories);
    return add_named(set, plain, known);
}

bool mm_code_set_add_word_extras(mm_code_set *set) {
    bool ok = mm_code_set_add(set, 0xB2, 0xB3) && mm_code_set_add(set, 0xB9, 0xB9) &&
              mm_code_set_add(set, 0xBC, 0xBE);
    mm_code_set_tidy(set);
    return ok;
}

// Categories as PCRE2 sees them that have code points outside the tidy set.
static uint32_t categories_outside(const mm_code_set *set) {
    uint32_t outside = 0;
    size_t at = 0;
    for (size_t i = 0; i < mm_pcre2_category_runs_count; i++) {
        uint32_t run = mm_pcre2_category_runs[i], first = run >> 8;
        uint32_t last =
            (i + 1 < mm_pcre2_category_runs_count ? mm_pcre2_category_runs[i + 1] >> 8 : 0x110000) -
            1;
        while (at < set->count && set->items[at].last < last)
            at++;
        if (at == set->count || set->items[at].first > first)
            outside |= 1u << (run & 0xFF);
    }
    return outside;
}

// What of the set none of the categories has.
static bool without_categories(mm_code_set *out, const mm_code_set *set, uint32_t categories) {
    mm_code_set rest = {0};
    bool ok = true;
    for (size_t i = 0; i < mm_pcre2_category_runs_count && ok; i++) {
        uint32_t run = mm_pcre2_category_runs[i];
        uint32_t end =
            i + 1 < mm_pcre2_category_runs_count ? mm_pcre2_category_runs[i + 1] >> 8 : 0x110000;
        if (!(categories >> (run & 0xFF) & 1))
            ok = mm_code_set_add(&rest, run >> 8, end - 1);
    }
    ok = ok && mm_code_set_intersect(&rest, set);
    mm_code_set_tidy(&rest);
    *out = rest;
    return ok;
}

static const struct {
    const char *name;
    uint32_t categories;
} written[] = {
    // the large ones first
    {"L", LETTERS},    {"M", MARKS},    {"N", NUMBERS},  {"P", PUNCTUATION}, {"S", SYMBOLS},
    {"Z", SEPARATORS}, {"Lu", BIT(LU)}, {"Ll", BIT(LL)}, {"Lt", BIT(LT)},    {"Lm", BIT(LM)},
    {"Lo", BIT(LO)},   {"Mn", BIT(MN)}, {"Mc", BIT(MC)}, {"Me", BIT(ME)},    {"Nd", BIT(ND)},
    {"Nl", BIT(NL)},   {"No", BIT(NO)}, {"Pc", BIT(PC)}, {"Pd", BIT(PD)},    {"Ps", BIT(PS)},
    {"Pe", BIT(PE)},   {"Pi", BIT(PI)}, {"Pf", BIT(PF)}, {"Po", BIT(PO)},    {"Sm", BIT(SM)},
    {"Sc", BIT(SC)},   {"Sk", BIT(SK)}, {"So", BIT(SO)}, {"Zs", BIT(ZS)},    {"Zl", BIT(ZL)},
    {"Zp", BIT(ZP)},   {"Cc", BIT(CC)}, {"Cf", BIT(CF)}, {"Co", BIT(CO)},    {"Cn", BIT(CN)},
};

static bool write_class(mm_buffer *out, const char *open, uint32_t categories,
                        const mm_code_set *ranges) {
    bool ok = mm_buffer_puts(out, open);
    for (size_t i = 0; i < sizeof(written) / sizeof(written[0]) && ok; i++) {
        if ((categories & written[i].categories) != written[i].categories)
            continue;
        categories &= ~written[i].categories;
        ok = mm_buffer_printf(out, "\\p{%s}", written[i].name);
    }
    for (size_t i = 0; i < ranges->count && ok; i++) {
        mm_code_range range = ranges->items[i];
        ok = mm_buffer_printf(out, "\\x{%X}", (unsigned)range.first);
        if (ok && range.last != range.first)
            ok = mm_buffer_printf(out, "-\\x{%X}", (unsigned)range.last);
    }
    return ok && mm_buffer_putc(out, ']');
}

// The categories that are wholly in the set, and what is left.
static bool split_set(const mm_code_set *set, uint32_t *categories, mm_code_set *rest) {
    *categories = ALL & ~categories_outside(set);
    return without_categories(rest, set, *categories);
}

static size_t cost(uint32_t categories, const mm_code_set *rest) {
    return rest->count + (size_t)__builtin_popcount(categories);
}

bool mm_code_set_write(const mm_code_set *set, mm_buffer *out) {
    enum { FEW = 12 }; // ranges that are not worth a look at categories
    if (set->count == 0)
        return mm_buffer_puts(out, "(?!)");
    if (set->count == 1 && set->items[0].first == set->items[0].last)
        return mm_buffer_printf(out, "\\x{%X}", (unsigned)set->items[0].first);
    mm_code_set other = {0}, rest = {0}, other_rest = {0};
    bool ok = mm_code_set_add_set(&other, set) && mm_code_set_invert(&other);
    if (ok && other.count == 0) {
        ok = mm_buffer_puts(out, "\\p{Any}");
    } else if (ok && (set->count <= FEW || other.count <= FEW || !mm_regex_knows_unicode())) {
        bool direct = set->count <= other.count;
        ok = write_class(out, direct ? "[" : "[^", 0, direct ? set : &other);
    } else if (ok) {
        uint32_t categories = 0, other_categories = 0;
        ok =
            split_set(set, &categories, &rest) && split_set(&other, &other_categories, &other_rest);
        bool direct = cost(categories, &rest) <= cost(other_categories, &other_rest);
        ok = ok && write_class(out, direct ? "[" : "[^", direct ? categories : other_categories,
                               direct ? &rest : &other_rest);
    }
    mm_code_set_free(&other);
    mm_code_set_free(&rest);
    mm_code_set_free(&other_rest);
    return ok;
}
