/* SPDX-License-Identifier: MIT
 *
 * See handover_pool.h.
 *
 * A child gets copies of the descriptors below its socket, and closes them at
 * once; so the sockets are opened before the table has grown, and the first of
 * them are kept while the hub watches anything.
 */
#include "loop/handover_pool.h"

enum {
    SOON = 128, /* from this descriptor on a socket is opened ahead; a burst alone has fewer */
    KEPT = 8,   /* pairs that stay open although no child waits for its start */
};

/* Whether children can do without a copy here.  A child is started to find out, until one answers. */
static bool can_share(struct fp_state *state)
{
    if (state->table_sharing == SHARING_UNKNOWN) {
        int answer = fp_spawn_can_share_table();
        if (answer >= 0)
            state->table_sharing = answer ? SHARING_WORKS : SHARING_FAILS;
    }
    return state->table_sharing == SHARING_WORKS;
}

const struct fp_handover *handover_pool_borrow(HubObject *hub)
{
    struct fp_state *state = hub->state;
    int from = state->share_from < SOON ? state->share_from : SOON;
    if (hub->latest_fd < from || state->most_fds <= state->share_from ||
        state->spawn_method != FP_SPAWN_CLONE || state->exit_mode == FP_EXIT_THREAD ||
        !can_share(state))
        return NULL;
    for (int i = 0; i < HUB_HANDOVERS; i++) {
        struct hub_handover *place = &hub->handovers[i];
        if (place->lent)
            continue;
        if (!place->open && fp_handover_open(&place->pair) < 0)
            return NULL;
        place->open = true;
        if (hub->latest_fd < state->share_from)
            return NULL;
        place->lent = true;
        return &place->pair;
    }
    return NULL;
}

static void close_place(struct hub_handover *place)
{
    if (place->open)
        fp_handover_close(&place->pair);
    place->open = false;
}

/* Closes those that no child uses, from the one with this number on.  Returns whether there were any. */
static bool close_idle_from(HubObject *hub, int first)
{
    bool any = false;
    for (int i = first; i < HUB_HANDOVERS; i++) {
        if (hub->handovers[i].lent || !hub->handovers[i].open)
            continue;
        close_place(&hub->handovers[i]);
        any = true;
    }
    return any;
}

void handover_pool_return(HubObject *hub, const struct fp_handover **handover)
{
    for (int i = 0; *handover != NULL && i < HUB_HANDOVERS; i++) {
        struct hub_handover *place = &hub->handovers[i];
        if (*handover != &place->pair)
            continue;
        if (place->open && !hub_is_forked_off(hub) && fp_handover_take_back(&place->pair) < 0)
            close_place(place); /* with the descriptors in it */
        place->lent = false;
    }
    if (*handover != NULL && hub->queue == NULL && !hub_is_forked_off(hub))
        close_idle_from(hub, KEPT);
    *handover = NULL;
}

bool handover_pool_close_idle(HubObject *hub)
{
    return close_idle_from(hub, 0);
}

void handover_pool_close(HubObject *hub)
{
    for (int i = 0; i < HUB_HANDOVERS; i++)
        close_place(&hub->handovers[i]);
}
