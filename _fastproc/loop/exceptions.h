/* SPDX-License-Identifier: MIT
 *
 * Exceptions that are raised where nobody awaits anything.  KeyboardInterrupt and
 * SystemExit end run_forever(), as with asyncio: they have to propagate out of a
 * call that the loop makes, so the hub asks the loop to call it.  Others go to
 * the loop's exception handler, or are reported as unraisable.
 */
#ifndef FP_LOOP_EXCEPTIONS_H
#define FP_LOOP_EXCEPTIONS_H

#include "loop/hub.h"

/* Whether the loop is closed or gone, or closing; the hub itself sees only the end of that. */
bool loop_is_over(HubObject *hub);

/* Passes the raised exception, if there is one, to the loop's exception handler, as asyncio does
 * with the exceptions of a protocol (a borrowed reference, or NULL); KeyboardInterrupt and
 * SystemExit propagate out of the loop's call of the hub.  Raises nothing. */
void loop_report(HubObject *hub, const char *message, PyObject *transport, PyObject *protocol);

/* Asks the loop to call the hub in its next turn: to rest, to call the woken tasks that are left,
 * or to raise a kept exception. */
void hub_ask_for_turn(HubObject *hub);

/* Handles the raised exception, if there is one.  KeyboardInterrupt and SystemExit propagate out of
 * the loop's call of the hub, the current one or another that the loop is asked for; anything else
 * is reported as unraisable. */
void hub_settle_exception(HubObject *hub, PyObject *about);

/* Keeps the raised exception for that call; returns the kept one, with its reference, or NULL. */
void hub_keep_interrupt(HubObject *hub);
PyObject *hub_take_interrupt(HubObject *hub);

/* Raises a kept exception, which others may raise as well; the hub may be NULL. */
void hub_raise_kept(const HubObject *hub, PyObject *kept);

#endif
