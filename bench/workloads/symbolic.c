/* SPDX-License-Identifier: MIT */
/*
 * symbolic.c - derivatives of random expressions: many tiny objects that live for a moment.
 *
 * Programs for formulas, logic and factoring are the classic heavy users of malloc: D. Detlefs, A. Dosser and
 * B. Zorn, "Memory Allocation Costs in Large C and C++ Programs", Software: Practice and Experience 1994.
 * Here an expression in x is derived twice and simplified. Nodes count their references, so that parts are
 * shared; the last results are kept for a while.
 *
 * The result is checked by arithmetic: modulo a prime the expression is evaluated together with both
 * derivatives by the rules for products and sums of numbers, and the derived expressions must have those
 * values.
 */
#include "common.h"

enum { DEPTH = 4, N_ATOMS = 64, N_KEPT = 256, MOST_EXPONENT = 4, MOST_ARGUMENTS = 4, CHECK_ONE_OF = 8 };
static const uint64_t prime = 2147483647;

enum kind { NUMBER, VARIABLE, SUM, PRODUCT, POWER };

struct expression {
    uint32_t n_references;
    uint16_t kind;
    uint16_t n_arguments;
    uint32_t value; /* of a number; the exponent of a power */
    uint32_t check;
    struct expression *arguments[];
};

static struct worker *self; /* the only one */
static struct expression *atoms[N_ATOMS], *kept[N_KEPT];

/* ---- nodes: who gets an expression returned owns a reference; what is put into a node is given away ---- */

static size_t size_of(uint32_t n_arguments)
{
    return sizeof(struct expression) + n_arguments * sizeof(struct expression *);
}

static uint32_t check_of(const struct expression *expression)
{
    return expression->value * 2654435761u + (uint32_t)(expression->kind << 16) + expression->n_arguments + 1;
}

static struct expression *new_node(enum kind kind, uint32_t value, uint32_t n_arguments)
{
    struct expression *node = take(self, size_of(n_arguments));
    *node = (struct expression){
        .n_references = 1, .kind = (uint16_t)kind, .n_arguments = (uint16_t)n_arguments, .value = value};
    node->check = check_of(node);
    step(self);
    return node;
}

static struct expression *new_number(uint64_t value)
{
    return new_node(NUMBER, (uint32_t)(value % prime), 0);
}

static struct expression *new_power(struct expression *base, uint32_t exponent)
{
    struct expression *power = new_node(POWER, exponent, 1);
    power->arguments[0] = base;
    return power;
}

static struct expression *shared(struct expression *expression)
{
    expression->n_references++;
    return expression;
}

static void drop(struct expression *expression)
{
    if (expression->check != check_of(expression) || expression->n_references == 0) {
        fail("a node of an expression was overwritten");
    }
    if (--expression->n_references == 0) {
        for (uint32_t i = 0; i < expression->n_arguments; i++) {
            drop(expression->arguments[i]);
        }
        self->checksum += expression->check;
        give(self, expression, size_of(expression->n_arguments));
    }
}

static bool is_number(const struct expression *expression, uint32_t value)
{
    return expression->kind == NUMBER && expression->value == value;
}

/* ---- the derivative ---- */

static struct expression *derive(struct expression *expression);

/* Of a product, by its i-th factor. */
static struct expression *derive_factor(struct expression *product, uint32_t index)
{
    struct expression *term = new_node(PRODUCT, 0, product->n_arguments);
    for (uint32_t i = 0; i < product->n_arguments; i++) {
        term->arguments[i] = i == index ? derive(product->arguments[i]) : shared(product->arguments[i]);
    }
    return term;
}

static struct expression *derive_power(struct expression *power)
{
    struct expression *product = new_node(PRODUCT, 0, 3);
    product->arguments[0] = new_number(power->value);
    product->arguments[1] = new_power(shared(power->arguments[0]), power->value - 1);
    product->arguments[2] = derive(power->arguments[0]);
    return product;
}

static struct expression *derive(struct expression *expression)
{
    if (expression->kind == NUMBER || expression->kind == VARIABLE) {
        return new_number(expression->kind == VARIABLE);
    }
    if (expression->kind == POWER) {
        return derive_power(expression);
    }
    struct expression *sum = new_node(SUM, 0, expression->n_arguments);
    for (uint32_t i = 0; i < expression->n_arguments; i++) {
        sum->arguments[i] =
            expression->kind == SUM ? derive(expression->arguments[i]) : derive_factor(expression, i);
    }
    return sum;
}

/* ---- simplification ---- */

static struct expression *simplify(struct expression *expression);

/* What a sum or product is made of: arguments of the same kind are opened, numbers become one. */
struct parts {
    struct expression **list;
    uint32_t n_parts;
    uint64_t number;
    enum kind kind;
};

static void collect(struct parts *parts, struct expression *expression)
{
    if (expression->kind == NUMBER) {
        parts->number =
            (parts->kind == SUM ? parts->number + expression->value : parts->number * expression->value) %
            prime;
    } else if (expression->kind == parts->kind) {
        for (uint32_t i = 0; i < expression->n_arguments; i++) {
            collect(parts, expression->arguments[i]);
        }
    } else {
        if (parts->n_parts % 8 == 0) {
            size_t bytes = parts->n_parts * sizeof *parts->list;
            parts->list = resize(self, parts->list, bytes, bytes + 8 * sizeof *parts->list);
        }
        parts->list[parts->n_parts++] = shared(expression);
    }
}

static struct expression *combine(struct parts *parts)
{
    uint32_t neutral = parts->kind == PRODUCT;
    bool is_zero = parts->kind == PRODUCT && parts->number == 0;
    bool has_number = parts->number != neutral || parts->n_parts == 0;
    struct expression *result;
    if (is_zero || parts->n_parts + has_number == 1) {
        result = is_zero || has_number ? new_number(parts->number) : shared(parts->list[0]);
        for (uint32_t i = 0; i < parts->n_parts; i++) {
            drop(parts->list[i]);
        }
    } else {
        result = new_node(parts->kind, 0, parts->n_parts + has_number);
        for (uint32_t i = 0; i < parts->n_parts; i++) {
            result->arguments[i] = parts->list[i];
        }
        if (has_number) {
            result->arguments[parts->n_parts] = new_number(parts->number);
        }
    }
    if (parts->list != NULL) {
        give(self, parts->list, (parts->n_parts + 7) / 8 * 8 * sizeof *parts->list);
    }
    return result;
}

static struct expression *simplify_power(struct expression *power)
{
    if (power->value == 0) {
        return new_number(1);
    }
    struct expression *base = simplify(power->arguments[0]);
    if (power->value == 1 || is_number(base, 0) || is_number(base, 1)) {
        return base;
    }
    return new_power(base, power->value);
}

static struct expression *simplify(struct expression *expression)
{
    if (expression->kind == NUMBER || expression->kind == VARIABLE) {
        return shared(expression);
    }
    if (expression->kind == POWER) {
        return simplify_power(expression);
    }
    struct parts parts = {.kind = expression->kind, .number = expression->kind == PRODUCT};
    for (uint32_t i = 0; i < expression->n_arguments; i++) {
        struct expression *argument = simplify(expression->arguments[i]);
        collect(&parts, argument);
        drop(argument);
    }
    return combine(&parts);
}

/* ---- values ---- */

/* A value and those of the first and second derivative. */
struct jet {
    uint64_t at[3];
};

static struct jet times(struct jet a, struct jet b)
{
    return (struct jet){{
        a.at[0] * b.at[0] % prime,
        (a.at[0] * b.at[1] % prime + a.at[1] * b.at[0]) % prime,
        (a.at[0] * b.at[2] % prime + a.at[1] * b.at[1] % prime * 2 + a.at[2] * b.at[0] % prime) % prime,
    }};
}

static struct jet evaluate(const struct expression *expression, uint64_t x)
{
    struct jet result = {{expression->kind == PRODUCT || expression->kind == POWER, 0, 0}};
    switch (expression->kind) {
    case NUMBER:
        return (struct jet){{expression->value, 0, 0}};
    case VARIABLE:
        return (struct jet){{x, 1, 0}};
    case POWER:
        for (uint32_t i = 0; i < expression->value; i++) {
            result = times(result, evaluate(expression->arguments[0], x));
        }
        return result;
    default:
        for (uint32_t i = 0; i < expression->n_arguments; i++) {
            struct jet argument = evaluate(expression->arguments[i], x);
            if (expression->kind == PRODUCT) {
                result = times(result, argument);
            } else {
                for (int k = 0; k < 3; k++) {
                    result.at[k] = (result.at[k] + argument.at[k]) % prime;
                }
            }
        }
        return result;
    }
}

/* ---- the work ---- */

static struct expression *new_leaf(void)
{
    struct expression *atom = atoms[below(&self->rng, N_ATOMS)];
    return below(&self->rng, 2) == 0 || atom == NULL ? new_node(VARIABLE, 0, 0) : shared(atom);
}

static struct expression *new_random(int depth)
{
    uint32_t die = below(&self->rng, 10);
    if (depth == 0 || die < 2) {
        return new_leaf();
    }
    if (die < 3) {
        uint32_t exponent = 2 + below(&self->rng, MOST_EXPONENT - 1);
        return new_power(new_random(depth - 1), exponent);
    }
    struct expression *expression =
        new_node(die < 7 ? SUM : PRODUCT, 0, 2 + below(&self->rng, MOST_ARGUMENTS - 1));
    expression->arguments[0] = new_number(below(&self->rng, 10));
    for (uint32_t i = 1; i < expression->n_arguments; i++) {
        expression->arguments[i] = new_random(depth - 1);
    }
    return expression;
}

static void replace(struct expression **place, struct expression *expression)
{
    if (*place != NULL) {
        drop(*place);
    }
    *place = expression;
}

static struct expression *simple_derivative(struct expression *expression)
{
    struct expression *derivative = derive(expression);
    struct expression *simple = simplify(derivative);
    drop(derivative);
    return simple;
}

static void check_derivatives(const struct expression *expression, const struct expression *first,
                              const struct expression *second)
{
    uint64_t x = below(&self->rng, (uint32_t)prime);
    struct jet wanted = evaluate(expression, x);
    if (evaluate(first, x).at[0] != wanted.at[1] || evaluate(second, x).at[0] != wanted.at[2]) {
        fail("a derivative is wrong");
    }
    self->checksum += wanted.at[2];
}

static void derive_twice(void)
{
    struct expression *expression = new_random(DEPTH);
    struct expression *first = simple_derivative(expression);
    struct expression *second = simple_derivative(first);
    if (below(&self->rng, CHECK_ONE_OF) == 0) {
        check_derivatives(expression, first, second);
    }
    drop(expression);
    drop(first);
    replace(&kept[below(&self->rng, N_KEPT)], second);
}

/* Atoms are made of variables and numbers alone: parts of parts would make a derivative grow without a bound.
   */
static void replace_atom(struct expression **place)
{
    struct expression *atom = new_power(new_node(VARIABLE, 0, 0), 2 + below(&self->rng, MOST_EXPONENT - 1));
    struct expression *sum = new_node(SUM, 0, 2);
    sum->arguments[0] = atom;
    sum->arguments[1] = new_number(below(&self->rng, (uint32_t)prime));
    replace(place, sum);
}

static void run(void)
{
    self = &workers[0];
    for (uint64_t n = steps_of(80000); n > 0; n--) {
        replace_atom(&atoms[below(&self->rng, N_ATOMS)]);
        derive_twice();
    }
    for (int i = 0; i < N_ATOMS; i++) {
        replace(&atoms[i], NULL);
    }
    for (int i = 0; i < N_KEPT; i++) {
        replace(&kept[i], NULL);
    }
}

const struct workload workload = {
    .name = "symbolic",
    .imitates = "A program for formulas: it derives random expressions twice, simplifies them, and checks "
                "some by numbers; "
                "nodes of 16 to 48 bytes with counted references",
    .why = "The price of a pair of malloc and free for tiny objects that live for a moment",
    .after = "Detlefs, Dosser and Zorn, Memory Allocation Costs in Large C and C++ Programs, Software: "
             "Practice and Experience 1994",
    .run = run,
};
