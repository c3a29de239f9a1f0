/* SPDX-License-Identifier: MIT
 *
 * How a child finds the end of its input.  A pipe is closed.  A terminal has a key
 * for it, Control-D mostly, which is typed: so the child can go on reading, and what
 * it shows can be read, after its input has been closed here.
 */
#ifndef FP_PIPE_END_OF_INPUT_H
#define FP_PIPE_END_OF_INPUT_H

#include "pipe/write_pipe.h"

/* For write_eof(): closes a pipe; a terminal stays open.  0, or -1 with NotImplementedError if the
 * terminal has no end of file, or with another exception. */
int end_of_input_write(WritePipeObject *pipe);
/* Whether that is to be had now. */
bool end_of_input_is_there(const WritePipeObject *pipe);
/* For close(): that and then no more, as soon as everything is written. */
void end_of_input_and_close(WritePipeObject *pipe);
/* The same at once, for those who hold a reference. */
void end_of_input_and_close_now(WritePipeObject *pipe);

#endif
