/* SPDX-License-Identifier: MIT */
/*
 * tune_read.c - settings from the environment, and what is said about them. Later goes before earlier:
 * glibc's variables, GLIBC_TUNABLES, our variables, VMALLOC_CONF; mallopt goes before all. What glibc would
 * ignore without a word is ignored here too; what is ours and wrong is named in one line, and is fatal if
 * settings are strict. Owns nothing. Keeps no pointer into the environment, which the program may change.
 */
#include "base/atomic.h"
#include "front/front.h"
#include "front/tune.h"
#include "kernel/kernel.h"
#include "large/large.h"

static const char tunables_name[] = "GLIBC_TUNABLES";
static const char own_prefix[] = "VMALLOC_", conf_name[] = "VMALLOC_CONF";
enum { OWN_PREFIX_LENGTH = sizeof own_prefix - 1 };

/* By letters in the code, so that a start without settings touches no constants. */
static bool could_be_ours(const char *name)
{
    return (name[0] == 'V' && name[1] == 'M' && name[2] == 'A') || /* VMALLOC_ */
           (name[0] == 'M' && name[1] == 'A' && name[2] == 'L') || /* MALLOC_ */
           (name[0] == 'G' && name[1] == 'L' && name[2] == 'I');   /* GLIBC_TUNABLES */
}

bool vm_tune_is_spoken_to(void)
{
    char *const *entries = vm_process_entries();
    while (entries && *entries && !could_be_ours(*entries))
        entries++;
    return entries && *entries;
}

/* --- complaints ----------------------------------------------------------------------------------------- */

/* What follows a complaint of a setting of ours. */
enum on_error { ON_ERROR_IGNORE, ON_ERROR_ABORT };

/* Adds a text from outside: its first characters, and nothing that a terminal would obey. */
static void add_quoted(struct message *message, struct piece text)
{
    enum { QUOTED_MAX = 60 };
    for (size_t i = 0; i < text.length && i < QUOTED_MAX; i++) {
        const char character = text.start[i];
        const char shown[2] = {character >= ' ' && character <= '~' ? character : '?'};
        vm_message_text(message, shown);
    }
    if (text.length > QUOTED_MAX)
        vm_message_text(message, "...");
}

/* Begins a complaint of a setting, which stands in the list of that name, or by itself. */
static void begin(struct message *message, const char *list, const struct setting *setting)
{
    vm_message_text(message, "vmalloc: ");
    if (list) {
        vm_message_text(message, list);
        vm_message_text(message, ": ");
    }
    add_quoted(message, setting->name);
    if (setting->has_value) {
        vm_message_text(message, "=");
        add_quoted(message, setting->value);
    }
    vm_message_text(message, ": ");
}

/* Ends a complaint, whole even if the message had to be cut. */
static void finish(struct message *message, enum on_error on_error)
{
    static const char ignored[] = ": ignored\n", fatal[] = ": fatal, as settings are strict\n";
    const char *const ending = on_error == ON_ERROR_ABORT ? fatal : ignored;
    const size_t room = sizeof message->text - sizeof fatal;
    if (message->length > room)
        message->length = room;
    vm_message_text(message, ending);
    if (on_error == ON_ERROR_ABORT)
        vm_report_fatal(message);
    vm_report_send(message);
}

static void add_own_name(struct message *message, const char *key)
{
    vm_message_text(message, own_prefix);
    for (; *key; key++)
        vm_message_text(message, (const char[2]){vm_capital(*key)});
}

static void add_words(struct message *message, const struct tune_word *words)
{
    for (const struct tune_word *word = words; word->word; word++) {
        vm_message_text(message, word == words ? "" : ", ");
        vm_message_text(message, word->word);
    }
}

/* What a value of the row would have to be, behind "not". */
static void add_accepted(struct message *message, const struct tunable *tunable)
{
    switch (tunable->unit) {
    case TUNE_BYTES:
        vm_message_text(message, "a size (a number, then K, M or G or nothing; or -1)");
        break;
    case TUNE_COUNT:
        vm_message_text(message, "a number from ");
        vm_message_unsigned(message, tunable->least);
        vm_message_text(message, tunable->most == SIZE_MAX ? " up" : " to ");
        if (tunable->most != SIZE_MAX)
            vm_message_unsigned(message, tunable->most);
        break;
    case TUNE_FLAG:
    case TUNE_CHOICE:
        vm_message_text(message, "one of ");
        add_words(message, tunable->words);
        break;
    case TUNE_TEXT:
        break;
    }
}

static void complain_of_value(const char *list, const struct setting *setting, const struct tunable *tunable,
                              enum on_error on_error)
{
    struct message message = {0};
    begin(&message, list, setting);
    vm_message_text(&message, "not ");
    add_accepted(&message, tunable);
    finish(&message, on_error);
}

static void complain_of_name(const char *list, const struct setting *setting, enum on_error on_error)
{
    struct message message = {0};
    begin(&message, list, setting);
    vm_message_text(&message, "no such setting (there are ");
    for (size_t i = 0; i < vm_n_tunables; i++)
        if (vm_tunables[i].key) {
            vm_message_text(&message, i ? ", " : "");
            vm_message_text(&message, vm_tunables[i].key);
        }
    vm_message_text(&message, ")");
    finish(&message, on_error);
}

/* --- glibc's names -------------------------------------------------------------------------------------- */

/* As glibc before 2.39: the number at the beginning counts. */
static void read_glibc_variables(void)
{
    for (size_t i = 0; i < vm_n_tunables; i++) {
        const char *const text =
            vm_tunables[i].variable ? vm_process_environment(vm_tunables[i].variable) : NULL;
        if (!text)
            continue;
        struct piece rest = vm_piece_of(text);
        uint64_t value;
        if (vm_parse_number(&rest, &value))
            vm_tune_set(&vm_tunables[i], value, SOURCE_GLIBC_VARIABLE);
    }
}

static void complain_of_tunables(const char *list, const struct setting *setting, const char *expected)
{
    struct message message = {0};
    begin(&message, list, setting);
    vm_message_text(&message, expected);
    finish(&message, ON_ERROR_IGNORE);
}

static void apply_tunable(const struct setting *setting)
{
    for (size_t i = 0; i < vm_n_tunables; i++) {
        if (!vm_tunables[i].tunable || !vm_piece_is(setting->name, vm_tunables[i].tunable))
            continue;
        uint64_t value;
        if (vm_parse_whole_number(setting->value, &value))
            vm_tune_set(&vm_tunables[i], value, SOURCE_GLIBC_TUNABLES);
        else
            complain_of_tunables(tunables_name, setting, "not a number");
    }
}

/* As glibc from 2.39 on: the value must be a number from end to end, and the string be sound from end to
   end. */
static void read_glibc_tunables(void)
{
    const char *const text = vm_process_environment(tunables_name);
    if (!text)
        return;
    struct piece rest = vm_piece_of(text);
    struct setting setting = {vm_piece_of(tunables_name), rest, true};
    if (!vm_parse_tunables_are_sound(rest)) {
        complain_of_tunables(NULL, &setting, "not name=value, once or more with : in between");
        return;
    }
    while (vm_parse_tunable(&rest, &setting))
        apply_tunable(&setting);
}

/* --- our names ------------------------------------------------------------------------------------------ */

/* The row whose key a name is, compared by `is`; NULL: none. */
static const struct tunable *find(struct piece name, bool (*is)(struct piece name, const char *key))
{
    for (size_t i = 0; i < vm_n_tunables; i++)
        if (vm_tunables[i].key && is(name, vm_tunables[i].key))
            return &vm_tunables[i];
    return NULL;
}

/* A flag may stand alone. */
static bool read_setting(const struct tunable *tunable, const struct setting *setting, uint64_t *value)
{
    if (setting->has_value)
        return vm_tune_read_value(tunable, setting->value, value);
    *value = 1;
    return tunable->unit == TUNE_FLAG;
}

/* Texts were read when the kernel was chosen, if there was an environment. */
static void apply_text(const char *list, const struct tunable *tunable, const struct setting *setting,
                       enum on_error on_error)
{
    struct message message = {0};
    if (!list && vm_backend_was_read())
        return;
    begin(&message, list, setting);
    if (list) {
        vm_message_text(&message, "stands in a variable of its own only, ");
        add_own_name(&message, tunable->key);
    } else {
        vm_message_text(&message, "too late, as something was allocated before there was an environment");
    }
    finish(&message, on_error);
}

static void apply(const char *list, const struct tunable *tunable, const struct setting *setting,
                  enum on_error on_error)
{
    uint64_t value;
    if (tunable->unit == TUNE_TEXT)
        apply_text(list, tunable, setting, on_error);
    else if (read_setting(tunable, setting, &value))
        vm_tune_set(tunable, value, list ? SOURCE_CONF : SOURCE_VARIABLE);
    else
        complain_of_value(list, setting, tunable, on_error);
}

/* A variable that is none of the table's: the list itself. */
static bool is_reserved(struct piece name)
{
    return vm_piece_is_capital(name, "conf");
}

static bool is_own_name(struct piece name)
{
    return name.length >= OWN_PREFIX_LENGTH &&
           vm_piece_is((struct piece){name.start, OWN_PREFIX_LENGTH}, own_prefix);
}

static void read_own_variables(char *const *entries, enum on_error on_error)
{
    for (; *entries; entries++) {
        const struct setting setting = vm_parse_entry(*entries);
        if (!setting.has_value || !is_own_name(setting.name))
            continue;
        const struct piece name = {setting.name.start + OWN_PREFIX_LENGTH,
                                   setting.name.length - OWN_PREFIX_LENGTH};
        const struct tunable *const tunable = find(name, vm_piece_is_capital);
        if (tunable)
            apply(NULL, tunable, &setting, on_error);
        else if (!is_reserved(name))
            complain_of_name(NULL, &setting, on_error);
    }
}

static void read_conf(struct piece rest, enum on_error on_error)
{
    struct setting setting;
    while (vm_parse_setting(&rest, &setting)) {
        const struct tunable *const tunable = find(setting.name, vm_piece_is);
        if (tunable)
            apply(conf_name, tunable, &setting, on_error);
        else
            complain_of_name(conf_name, &setting, on_error);
    }
}

/* An empty text if it is not there. */
static struct piece read_variable(const char *name)
{
    const char *const text = vm_process_environment(name);
    return vm_piece_of(text ? text : "");
}

/* Looks for `strict` before anything is read, as it holds for what stands before it, too. */
static enum on_error find_strictness(void)
{
    struct piece conf = read_variable(conf_name);
    static const char key[] = "strict";
    const struct tunable *const strict = find(vm_piece_of(key), vm_piece_is);
    const char *const variable = vm_process_environment("VMALLOC_STRICT");
    uint64_t is_strict = 0, value;
    if (variable && vm_tune_read_value(strict, vm_piece_of(variable), &value))
        is_strict = value;
    struct setting setting;
    while (vm_parse_setting(&conf, &setting))
        if (vm_piece_is(setting.name, key) && read_setting(strict, &setting, &value))
            is_strict = value;
    return is_strict ? ON_ERROR_ABORT : ON_ERROR_IGNORE;
}

/* --- texts ---------------------------------------------------------------------------------------------- */

/* The name of our variable of a key. */
static struct piece own_variable(struct message *name, const char *key)
{
    add_own_name(name, key);
    name->text[name->length] = '\0';
    return (struct piece){name->text, name->length};
}

const char *vm_tune_text(const char *key)
{
    if (!vm_tune_is_spoken_to())
        return NULL;
    struct message name = {0};
    const char *const text = vm_process_environment(own_variable(&name, key).start);
    return text && *text ? text : NULL;
}

void vm_tune_take_text(const char *key)
{
    vm_tune_source[find(vm_piece_of(key), vm_piece_is) - vm_tunables] = SOURCE_VARIABLE;
}

void vm_tune_refuse_text(const char *key, const struct scan_complaint *complaint)
{
    struct message message = {0}, name = {0};
    const struct setting setting = {own_variable(&name, key), vm_piece_of(vm_tune_text(key)), true};
    begin(&message, NULL, &setting);
    vm_scan_explain(&message, complaint);
    finish(&message, find_strictness());
}

/* --- all of it ------------------------------------------------------------------------------------------ */

bool vm_tune_read_environment(void)
{
    char *const *const entries = vm_process_entries();
    if (!vm_tune_is_spoken_to())
        return entries != NULL;
    const enum on_error on_error = find_strictness();
    read_glibc_variables();
    read_glibc_tunables();
    read_own_variables(entries, on_error);
    read_conf(read_variable(conf_name), on_error);
    return true;
}

/* --- the report ----------------------------------------------------------------------------------------- */

static void add_text(struct message *message, const struct tunable *tunable)
{
    const char *const text = vm_tune_text(tunable->key);
    const bool is_set = text && vm_tune_source[tunable - vm_tunables] == SOURCE_VARIABLE;
    add_quoted(message, vm_piece_of(is_set ? text : tunable->initial_text));
}

static void add_value(struct message *message, const struct tunable *tunable)
{
    if (tunable->unit == TUNE_TEXT) {
        add_text(message, tunable);
        return;
    }
    const size_t value = vm_tune_value(tunable);
    const struct tune_word *word = tunable->words;
    while (word && word->word && word->value != value)
        word++;
    if (word && word->word)
        vm_message_text(message, word->word);
    else if (tunable->unit == TUNE_BYTES && value == SIZE_MAX)
        vm_message_text(message, "-1");
    else
        vm_message_unsigned(message, value);
    if (tunable->is_dynamic && vm_load_relaxed(&vm_large_policy.x_is_dynamic))
        vm_message_text(message, ", dynamic");
}

static void add_source(struct message *message, const struct tunable *tunable)
{
    switch ((enum tune_source)vm_load_relaxed(&vm_tune_source[tunable - vm_tunables])) {
    case SOURCE_DEFAULT:
        vm_message_text(message, "default");
        break;
    case SOURCE_GLIBC_VARIABLE:
        vm_message_text(message, tunable->variable);
        break;
    case SOURCE_GLIBC_TUNABLES:
        vm_message_text(message, tunables_name);
        break;
    case SOURCE_VARIABLE:
        add_own_name(message, tunable->key);
        break;
    case SOURCE_CONF:
        vm_message_text(message, conf_name);
        break;
    case SOURCE_MALLOPT:
        vm_message_text(message, "mallopt");
        break;
    }
}

void vm_tune_report(void)
{
    for (const struct tunable *tunable = vm_tunables; tunable < vm_tunables + vm_n_tunables; tunable++) {
        if (!tunable->key)
            continue;
        struct message message = {0};
        vm_message_text(&message, "vmalloc: ");
        vm_message_text(&message, tunable->key);
        vm_message_text(&message, " = ");
        add_value(&message, tunable);
        vm_message_text(&message, " (");
        add_source(&message, tunable);
        vm_message_text(&message, ")\n");
        vm_report_send(&message);
    }
}
