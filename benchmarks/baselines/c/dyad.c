/* The dyad model in C: the bar that the compiled kernel has to reach.
 *
 * Instances are cut into blocks of LANES; time is the outer loop and lanes the inner one, which the
 * compiler vectorises. All 34 parameters are arrays over lanes. Random numbers are addressed
 * (Philox4x32-10), so results equal the package's own up to rounding.
 *
 * Compiler flags: see ../dyad_c.py. Neither NaN nor signed zeros are relied upon in the steps.
 */
#include <math.h>
#include <stdint.h>

#include "vecmath.h"

#ifndef LANES
#define LANES 64
#endif
#define REPLICATE_STRIDE_BITS 24
#define N_PARAMETERS 34
#define N_STATES 11 /* the first outputs are the final states */
#define N_OUTPUTS 14
#define NOT_A_NUMBER double_of(0x7ff8000000000000u)
#define PATIENCE_SLACK 1e-9

#define FOR_LANES for (int l = 0; l < LANES; l++)
typedef double lanes[LANES] __attribute__((aligned(64)));
typedef uint64_t counter_lanes[LANES] __attribute__((aligned(64)));

enum purpose { NOISE = 0, INCIDENTS = 1 };

enum parameter { /* the order of models/dyad */
    INITIAL_TRUST, INITIAL_TRUST_GAP, INITIAL_ENGAGEMENT, INITIAL_BENEFIT,
    OPENNESS_MIDPOINT, OPENNESS_STEEPNESS, OPENNESS_TIME,
    ENGAGEMENT_MIDPOINT, ENGAGEMENT_STEEPNESS, ENGAGEMENT_TIME, TRUST_WEIGHT, BENEFIT_TIME,
    TRUST_GAIN, TRUST_LOSS, BASE_ATTENTION,
    PRIVATE_ORIENTATION, PRIVATE_DEFENCE, PRIVATE_OPPORTUNISM,
    PRIVATE_GAIN, PRIVATE_HARM, PRIVATE_WITHHOLDING,
    BUILDING_EFFORT, BUILDING_DURATION, BUILDING_GAIN, BUILDING_CROWDING,
    VALUE_RATE, VALUE_SHARE, TRUST_NOISE, NOISE_CORRELATION,
    INCIDENT_RATE, INCIDENT_SIZE, INCIDENT_FAVOURABLE,
    DISSOLUTION_ENGAGEMENT, DISSOLUTION_PATIENCE
};

struct constants { /* what the steps need of the parameters, computed once per block */
    lanes openness_slope, openness_offset, openness_rate;      /* exponents in powers of two */
    lanes engagement_trust, engagement_benefit, engagement_offset, engagement_rate;
    lanes benefit_rate, gain_rate, loss_rate, base_attention, interaction_attention;
    lanes private_base, private_defence, private_opportunism;
    lanes private_gain, private_harm, private_withholding;
    lanes building_duration, building_trust, building_contribution;
    lanes value_step, private_value_step, share_a, share_b;
    lanes noise, correlation, independence;
    lanes incident_probability, incident_size, incident_favourable;
    lanes squared_floor, patience;
};

struct state {
    lanes trust_a, trust_b, engagement_a, engagement_b, openness_a, openness_b;
    lanes benefit_a, benefit_b, joint_value, private_value_a, private_value_b;
    lanes idle_steps, dissolved_at; /* dissolved_at: 0 while the alliance lives */
};

struct block {
    struct constants c;
    struct state s;
    counter_lanes instance_low, instance_high;
    lanes noise0, noise1, incident0, incident1; /* uniforms, still in [1, 2) */
};

static inline double clip01(double x)
{
    x = x > 0.0 ? x : 0.0;
    return x < 1.0 ? x : 1.0;
}

static void prepare(struct constants *c, int l, const double *p, double dt)
{
    double openness_slope = -p[OPENNESS_STEEPNESS] * LOG2_E;
    double engagement_slope = -p[ENGAGEMENT_STEEPNESS] * LOG2_E;
    c->openness_slope[l] = openness_slope;
    c->openness_offset[l] = -openness_slope * p[OPENNESS_MIDPOINT];
    c->openness_rate[l] = dt / p[OPENNESS_TIME];
    c->engagement_trust[l] = engagement_slope * p[TRUST_WEIGHT];
    c->engagement_benefit[l] = engagement_slope * (1.0 - p[TRUST_WEIGHT]);
    c->engagement_offset[l] = -engagement_slope * p[ENGAGEMENT_MIDPOINT];
    c->engagement_rate[l] = dt / p[ENGAGEMENT_TIME];
    c->benefit_rate[l] = dt / p[BENEFIT_TIME];
    c->gain_rate[l] = dt * p[TRUST_GAIN];
    c->loss_rate[l] = dt * p[TRUST_LOSS];
    c->base_attention[l] = p[BASE_ATTENTION];
    c->interaction_attention[l] = 1.0 - p[BASE_ATTENTION];
    c->private_base[l] = p[PRIVATE_ORIENTATION] + p[PRIVATE_DEFENCE];
    c->private_defence[l] = p[PRIVATE_DEFENCE];
    c->private_opportunism[l] = p[PRIVATE_OPPORTUNISM];
    c->private_gain[l] = p[PRIVATE_GAIN];
    c->private_harm[l] = p[PRIVATE_HARM];
    c->private_withholding[l] = p[PRIVATE_WITHHOLDING];
    c->building_duration[l] = p[BUILDING_DURATION];
    c->building_trust[l] = dt * p[BUILDING_GAIN] * p[BUILDING_EFFORT];
    c->building_contribution[l] = 1.0 - p[BUILDING_CROWDING] * p[BUILDING_EFFORT];
    c->value_step[l] = p[VALUE_RATE] * dt;
    c->private_value_step[l] = p[VALUE_RATE] * p[PRIVATE_GAIN] * dt;
    c->share_a[l] = 2.0 * p[VALUE_SHARE];
    c->share_b[l] = 2.0 * (1.0 - p[VALUE_SHARE]);
    c->noise[l] = p[TRUST_NOISE] * sqrt(dt);
    c->correlation[l] = p[NOISE_CORRELATION];
    c->independence[l] = sqrt(1.0 - p[NOISE_CORRELATION] * p[NOISE_CORRELATION]);
    c->incident_probability[l] = 1.0 - exp(-p[INCIDENT_RATE] * dt);
    c->incident_size[l] = p[INCIDENT_SIZE];
    c->incident_favourable[l] = p[INCIDENT_FAVOURABLE];
    c->squared_floor[l] = p[DISSOLUTION_ENGAGEMENT] * p[DISSOLUTION_ENGAGEMENT];
    double steps = ceil((p[DISSOLUTION_PATIENCE] - PATIENCE_SLACK) / dt);
    c->patience[l] = steps > 1.0 ? steps : 1.0;
}

static void start(struct state *s, int l, const double *p)
{
    double half_gap = 0.5 * p[INITIAL_TRUST_GAP];
    double trust_a = clip01(p[INITIAL_TRUST] + half_gap);
    double trust_b = clip01(p[INITIAL_TRUST] - half_gap);
    double steepness = p[OPENNESS_STEEPNESS], midpoint = p[OPENNESS_MIDPOINT];
    s->trust_a[l] = trust_a;
    s->trust_b[l] = trust_b;
    s->engagement_a[l] = s->engagement_b[l] = p[INITIAL_ENGAGEMENT];
    s->openness_a[l] = 1.0 / (1.0 + exp(-steepness * (trust_a - midpoint)));
    s->openness_b[l] = 1.0 / (1.0 + exp(-steepness * (trust_b - midpoint)));
    s->benefit_a[l] = s->benefit_b[l] = p[INITIAL_BENEFIT];
    s->joint_value[l] = s->private_value_a[l] = s->private_value_b[l] = 0.0;
    s->idle_steps[l] = s->dissolved_at[l] = 0.0;
}

INLINE void draw(double *restrict out0, double *restrict out1, const struct block *b,
                 const struct philox_keys *keys, enum purpose purpose, uint64_t k)
{
    for (int l = 0; l < LANES; l += N_WORDS) {
        const words low = *(const words *)(b->instance_low + l);
        const words high = *(const words *)(b->instance_high + l) | (uint64_t)purpose << 24;
        philox(keys, low, high, k, (words *)(out0 + l), (words *)(out1 + l));
    }
}

/* One step of every lane; noise and incidents are literals at the call, so a feature that is off
 * everywhere costs nothing. Returns the number of lanes still alive. */
static inline __attribute__((always_inline)) uint64_t
step(struct block *restrict b, const struct philox_keys *keys, uint64_t k, double dt,
     int noise, int incidents)
{
    const struct constants *c = &b->c;
    struct state *s = &b->s;
    const double t = (double)k * dt, now = (double)k + 1.0;
    uint64_t alive_lanes = 0;
    if (noise)
        draw(b->noise0, b->noise1, b, keys, NOISE, k);
    if (incidents)
        draw(b->incident0, b->incident1, b, keys, INCIDENTS, k);
    FOR_LANES {
        const double trust_a = s->trust_a[l], trust_b = s->trust_b[l];
        const double engagement_a = s->engagement_a[l], engagement_b = s->engagement_b[l];
        const double openness_a = s->openness_a[l], openness_b = s->openness_b[l];
        const double benefit_a = s->benefit_a[l], benefit_b = s->benefit_b[l];

        const double private_a = clip01(c->private_base[l] - c->private_defence[l] * trust_a
                                        + c->private_opportunism[l] * openness_b);
        const double private_b = clip01(c->private_base[l] - c->private_defence[l] * trust_b
                                        + c->private_opportunism[l] * openness_a);
        const int building = t < c->building_duration[l];
        const double contribution = building ? c->building_contribution[l] : 1.0;
        const double building_trust = building ? c->building_trust[l] : 0.0;

        const double given_a = engagement_a * openness_a * contribution;
        const double given_b = engagement_b * openness_b * contribution;
        const double value = sqrt(given_a * given_b);
        const double interaction = sqrt(engagement_a * engagement_b);
        const double taken_a = private_a * engagement_a * openness_b;
        const double taken_b = private_b * engagement_b * openness_a;
        const double harm_a = c->private_harm[l] * taken_b; /* felt by a */
        const double harm_b = c->private_harm[l] * taken_a;
        const double common = value - 0.5 * value * (private_a + private_b);
        const double gained_a = c->share_a[l] * common + c->private_gain[l] * taken_a - harm_a;
        const double gained_b = c->share_b[l] * common + c->private_gain[l] * taken_b - harm_b;

        const double attention = c->base_attention[l] + c->interaction_attention[l] * interaction;
        const double gap_a = given_b - harm_a - trust_a;
        const double gap_b = given_a - harm_b - trust_b;
        const double rate_a = gap_a > 0.0 ? c->gain_rate[l] : c->loss_rate[l];
        const double rate_b = gap_b > 0.0 ? c->gain_rate[l] : c->loss_rate[l];
        double change_a = rate_a * attention * gap_a + building_trust * (1.0 - trust_a);
        double change_b = rate_b * attention * gap_b + building_trust * (1.0 - trust_b);
        if (noise) {
            double z0, z1;
            polar(sqrt(-2.0 * log_unit(UNIFORM(b->noise0[l]))), UNIFORM(b->noise1[l]), &z0, &z1);
            const double z_b = c->correlation[l] * z0 + c->independence[l] * z1;
            change_a += c->noise[l] * (trust_a * (1.0 - trust_a)) * z0;
            change_b += c->noise[l] * (trust_b * (1.0 - trust_b)) * z_b;
        }
        if (incidents) {
            const double u0 = UNIFORM(b->incident0[l]), u1 = UNIFORM(b->incident1[l]);
            const double size = u0 < c->incident_probability[l] ? c->incident_size[l] : 0.0;
            const double target = u1 < c->incident_favourable[l] ? 1.0 : 0.0;
            change_a += size * (target - trust_a);
            change_b += size * (target - trust_b);
        }

        const double engaged_a = logistic_clamped(c->engagement_trust[l] * trust_a
            + (c->engagement_benefit[l] * benefit_a + c->engagement_offset[l]));
        const double engaged_b = logistic_clamped(c->engagement_trust[l] * trust_b
            + (c->engagement_benefit[l] * benefit_b + c->engagement_offset[l]));
        /* bounded: trust and midpoint lie in 0..1, the steepness in 0..50 */
        const double open_a = logistic_bounded(c->openness_slope[l] * trust_a + c->openness_offset[l]);
        const double open_b = logistic_bounded(c->openness_slope[l] * trust_b + c->openness_offset[l]);
        const double shown_a = open_a - open_a * (c->private_withholding[l] * private_a);
        const double shown_b = open_b - open_b * (c->private_withholding[l] * private_b);

        const double new_engagement_a =
            engagement_a + c->engagement_rate[l] * (engaged_a - engagement_a);
        const double new_engagement_b =
            engagement_b + c->engagement_rate[l] * (engaged_b - engagement_b);
        const int idle = new_engagement_a * new_engagement_b < c->squared_floor[l];
        const double idle_steps = idle ? s->idle_steps[l] + 1.0 : 0.0;

        const double dissolved_at = s->dissolved_at[l];
        const int alive = dissolved_at == 0.0;
#define MOVE(name, value) s->name[l] = alive ? (value) : s->name[l]
        MOVE(trust_a, clip01(trust_a + change_a));
        MOVE(trust_b, clip01(trust_b + change_b));
        MOVE(engagement_a, new_engagement_a);
        MOVE(engagement_b, new_engagement_b);
        MOVE(openness_a, openness_a + c->openness_rate[l] * (shown_a - openness_a));
        MOVE(openness_b, openness_b + c->openness_rate[l] * (shown_b - openness_b));
        MOVE(benefit_a, benefit_a + c->benefit_rate[l] * (gained_a - benefit_a));
        MOVE(benefit_b, benefit_b + c->benefit_rate[l] * (gained_b - benefit_b));
        MOVE(joint_value, s->joint_value[l] + c->value_step[l] * value);
        MOVE(private_value_a, s->private_value_a[l] + c->private_value_step[l] * taken_a);
        MOVE(private_value_b, s->private_value_b[l] + c->private_value_step[l] * taken_b);
#undef MOVE
        s->idle_steps[l] = idle_steps;
        const double ends = idle_steps >= c->patience[l] ? now : 0.0;
        s->dissolved_at[l] = alive ? ends : dissolved_at;
    }
    FOR_LANES alive_lanes += bits_of(s->dissolved_at[l]) == 0;
    return alive_lanes;
}

#define RUNNER(name, noise, incidents)                                                          \
    static void name(struct block *restrict b, const struct philox_keys *keys, uint64_t n_steps, \
                     double dt)                                                                 \
    {                                                                                           \
        for (uint64_t k = 0; k < n_steps; k++)                                                  \
            if (step(b, keys, k, dt, noise, incidents) == 0)                                  \
                return;                                                                         \
    }
RUNNER(run_plain, 0, 0)
RUNNER(run_noise, 1, 0)
RUNNER(run_incidents, 0, 1)
RUNNER(run_noise_incidents, 1, 1)

static void write_outputs(const struct state *s, int l, double dt, double *out, int64_t stride)
{
    const double values[N_OUTPUTS] = {
        s->trust_a[l], s->trust_b[l], s->engagement_a[l], s->engagement_b[l],
        s->openness_a[l], s->openness_b[l], s->benefit_a[l], s->benefit_b[l],
        s->joint_value[l], s->private_value_a[l], s->private_value_b[l],
        s->dissolved_at[l] > 0.0,
        s->dissolved_at[l] > 0.0 ? s->dissolved_at[l] * dt : NOT_A_NUMBER,
        s->dissolved_at[l] == 0.0 && 0.5 * (s->trust_a[l] + s->trust_b[l]) > 0.5,
    };
    int finite = 1;
    for (int i = 0; i < N_STATES; i++)
        finite &= (bits_of(values[i]) >> 52 & 0x7ff) != 0x7ff;
    for (int i = 0; i < N_OUTPUTS; i++)
        out[i * stride] = finite ? values[i] : NOT_A_NUMBER;
}

/* points: (n_points, 34) rows; outputs: (14, n_points, n_replicates). */
void dyad_run(const double *points, int64_t n_points, int64_t first_point, int64_t first_replicate,
              int64_t n_replicates, uint64_t seed, int common_random_numbers, double dt,
              int64_t n_steps, int noise, int incidents, double *outputs)
{
    const int64_t n = n_points * n_replicates;
    struct philox_keys keys;
    struct block b;
    schedule_keys(&keys, seed);
    for (int64_t first = 0; first < n; first += LANES) {
        const int64_t used = n - first < LANES ? n - first : LANES;
        FOR_LANES {
            const int64_t i = first + (l < used ? l : used - 1);
            const double *p = points + (i / n_replicates) * N_PARAMETERS;
            const uint64_t replicate = first_replicate + i % n_replicates;
            const uint64_t point = common_random_numbers ? 0 : first_point + i / n_replicates;
            const uint64_t instance = (point << REPLICATE_STRIDE_BITS) + replicate;
            prepare(&b.c, l, p, dt);
            start(&b.s, l, p);
            b.instance_low[l] = instance & 0xffffffff;
            b.instance_high[l] = instance >> 32 & 0xffffff;
        }
        if (noise && incidents)
            run_noise_incidents(&b, &keys, n_steps, dt);
        else if (noise)
            run_noise(&b, &keys, n_steps, dt);
        else if (incidents)
            run_incidents(&b, &keys, n_steps, dt);
        else
            run_plain(&b, &keys, n_steps, dt);
        for (int64_t l = 0; l < used; l++)
            write_outputs(&b.s, l, dt, outputs + first + l, n);
    }
}
