/* SPDX-License-Identifier: MIT
 *
 * How a child sees the end of its input.  A pipe is closed.  On a terminal the
 * key for it is typed, usually Control-D: so the child can go on reading, and its
 * output can be read, after its input has been closed here.
 */
#ifndef FP_PIPE_END_OF_INPUT_H
#define FP_PIPE_END_OF_INPUT_H

#include "pipe/write_pipe.h"

/* For write_eof(): closes a pipe; a terminal stays open.  0, or -1 with NotImplementedError if the
 * terminal has no end of file, or with another exception. */
int end_of_input_write(WritePipeObject *pipe);
/* Whether write_eof() is possible now. */
bool end_of_input_is_there(const WritePipeObject *pipe);
/* For close(): ends the input, and then closes the pipe as soon as everything is written. */
void end_of_input_and_close(WritePipeObject *pipe);
/* The same, without waiting for the loop's next turn; the caller holds a reference. */
void end_of_input_and_close_now(WritePipeObject *pipe);

#endif
