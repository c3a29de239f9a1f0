/* SPDX-License-Identifier: MIT
 *
 * What becomes of exceptions that are raised where nobody awaits anything.
 * KeyboardInterrupt and SystemExit end run_forever(), as with asyncio: they have to
 * leave a call that the loop makes, so the loop is asked for one.  Others go to the
 * loop's exception handler, or are reported as unraisable.
 */
#ifndef FP_LOOP_EXCEPTIONS_H
#define FP_LOOP_EXCEPTIONS_H

#include "loop/hub.h"

/* Whether it is closed or gone, or closing, which a hub sees only at the end of that. */
bool loop_is_over(HubObject *hub);

/* Takes the raised exception, if there is one, to the loop's exception handler, as asyncio does
 * with those of a protocol (borrowed; NULL: no protocol's); KeyboardInterrupt and SystemExit leave
 * the loop's call of the hub.  Raises nothing. */
void loop_report(HubObject *hub, const char *message, PyObject *transport, PyObject *protocol);

/* Has the loop call in its next turn, to rest or for what is left to be called or raised. */
void hub_ask_for_turn(HubObject *hub);

/* Puts the raised exception, if there is one, where it belongs: KeyboardInterrupt and SystemExit
 * leave the loop's call of the hub, the one under way or another that it is asked for; anything else
 * is reported as nobody's. */
void hub_settle_exception(HubObject *hub, PyObject *about);

/* Keeps the raised exception for that call, and takes it: a reference, or NULL. */
void hub_keep_interrupt(HubObject *hub);
PyObject *hub_take_interrupt(HubObject *hub);

/* Raises an exception that is kept, for others to raise as well; the hub may be NULL. */
void hub_raise_kept(const HubObject *hub, PyObject *kept);

#endif
