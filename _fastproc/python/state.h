/* SPDX-License-Identifier: MIT
 *
 * The state of the module in one interpreter: its types, what it uses of the
 * standard library, interned names, and how children are to be made.
 */
#ifndef FP_PYTHON_STATE_H
#define FP_PYTHON_STATE_H

#include "posix/environ_snapshot.h"
#include "posix/exit.h"
#include "posix/spawn.h"
#include "python/freelist.h"

/* Attribute and method names, interned once. */
#define FP_NAMES(NAME)                                                                             \
    NAME(_active)                                                                                  \
    NAME(_asyncio_future_blocking)                                                                 \
    NAME(AbstractEventLoop)                                                                        \
    NAME(Task)                                                                                     \
    NAME(_call_connection_lost)                                                                    \
    NAME(_cleanup)                                                                                 \
    NAME(_debug)                                                                                   \
    NAME(add_reader)                                                                               \
    NAME(call_exception_handler)                                                                   \
    NAME(call_later)                                                                               \
    NAME(call_soon)                                                                                \
    NAME(cancel)                                                                                   \
    NAME(close)                                                                                    \
    NAME(connection_lost)                                                                          \
    NAME(connection_made)                                                                          \
    NAME(create_future)                                                                            \
    NAME(data_received)                                                                            \
    NAME(done)                                                                                     \
    NAME(eof_received)                                                                             \
    NAME(feed_data)                                                                                \
    NAME(get_debug)                                                                                \
    NAME(get_event_loop)                                                                           \
    NAME(get_loop)                                                                                 \
    NAME(get_running_loop)                                                                         \
    NAME(getgrnam)                                                                                 \
    NAME(getpwnam)                                                                                 \
    NAME(gr_gid)                                                                                   \
    NAME(is_closed)                                                                                \
    NAME(join)                                                                                     \
    NAME(pause_reading)                                                                            \
    NAME(pause_writing)                                                                            \
    NAME(pipe_connection_lost)                                                                     \
    NAME(pipe_data_received)                                                                       \
    NAME(process_exited)                                                                           \
    NAME(pw_uid)                                                                                   \
    NAME(remove_reader)                                                                            \
    NAME(resource)                                                                                 \
    NAME(resume_reading)                                                                           \
    NAME(resume_writing)                                                                           \
    NAME(set_result)                                                                               \
    NAME(struct_rusage)

/* References held for the life of the module; all are visited and cleared by one loop. */
#define FP_OBJECTS(OBJECT)                                                                         \
    /* our types */                                                                                \
    OBJECT(coroutine_function_type)                                                                \
    OBJECT(awaitable_type)                                                                         \
    OBJECT(awaited_type)                                                                           \
    OBJECT(stop_iteration_type)                                                                    \
    OBJECT(wakeup_type)                                                                            \
    OBJECT(hub_type)                                                                               \
    OBJECT(token_type)                                                                             \
    OBJECT(transport_type)                                                                         \
    OBJECT(read_pipe_type)                                                                         \
    OBJECT(write_pipe_type)                                                                        \
    OBJECT(pipe_protocol_type)                                                                     \
    OBJECT(flow_control_type)                                                                      \
    OBJECT(popen_type)                                                                             \
    OBJECT(process_type)                                                                           \
    OBJECT(reader_type)                                                                            \
    OBJECT(writer_type)                                                                            \
    /* asyncio */                                                                                  \
    OBJECT(events) /* asyncio.events.__dict__: some of it may be replaced at any time */           \
    OBJECT(tasks)                                                                                  \
    OBJECT(get_running_loop) /* these three: asyncio's originals, to compare with */               \
    OBJECT(Task)                                                                                   \
    OBJECT(Handle)                                                                                 \
    OBJECT(CancelledError)                                                                         \
    OBJECT(InvalidStateError)                                                                      \
    OBJECT(IncompleteReadError)                                                                    \
    OBJECT(LimitOverrunError)                                                                      \
    /* subprocess */                                                                               \
    OBJECT(SubprocessError)                                                                        \
    OBJECT(subprocess) /* the module itself, as its contents may change */                         \
    /* our own */                                                                                  \
    OBJECT(hubs)            /* id(loop) -> weak reference to hub */                                \
    OBJECT(context_keyword) /* ("context",) */                                                     \
    OBJECT(codes)           /* name of an awaitable -> code object */                              \
    OBJECT(done_future)                                                                            \
    OBJECT(free_args) /* of a StopIteration, without the value; or NULL */                         \
    OBJECT(empty_bytes)

enum { FP_BASE_CLASSES = 3 };

/* See plain_loop.h. */
enum loop_kind { LOOP_OTHER, LOOP_SELECTOR, LOOP_UVLOOP, LOOP_KINDS };

struct fp_state {
#define DECLARE(name) PyObject *name;
    FP_OBJECTS(DECLARE)
    struct {
        FP_NAMES(DECLARE)
    } names;
#undef DECLARE
    COMPAT_SHARED enum fp_spawn_method spawn_method; /* what the next child is started by */
    COMPAT_SHARED enum fp_exit_mode exit_mode;
    struct freelist free_awaitables, free_stops;
    unsigned base_versions[FP_BASE_CLASSES];      /* of asyncio's classes (class_patches.c) */
    int type_watcher;                             /* plus one; 0 if there is none */
    struct fp_environ_snapshot *environ_snapshot; /* the latest copy */
    void *last_hub; /* of hub_of_loop(), which mostly needs it again; not a reference */
    COMPAT_SHARED unsigned loop_classes[LOOP_KINDS]; /* the versions of classes looked at last */
    COMPAT_SHARED unsigned plain_handle;             /* the same of asyncio.Handle; or 0 */
    unsigned fork_generation; /* counts the forks between the module's import and this process */
    COMPAT_SHARED bool shortcuts;  /* what is done for speed alone: pulls, roomy pipes, freelists */
    COMPAT_SHARED int start_width; /* children that may be between clone and exec, in one loop */
    COMPAT_SHARED int narrow_width; /* the same where that is too many (start_queue.c) */
    COMPAT_SHARED unsigned lacking; /* bits of enum fp_attribute that count as missing here */
    COMPAT_SHARED int share_from; /* the descriptor from which on children do not copy the table */
    COMPAT_SHARED long long looked_at; /* last check by tracer_and_limit.c, in clock ms; 0: never */
    COMPAT_SHARED bool heeds_tracer;   /* false: children start as if there were no tracer */
    COMPAT_SHARED bool is_traced;
    COMPAT_SHARED int most_fds; /* the limit on open descriptors */
    COMPAT_SHARED enum { SHARING_UNKNOWN, SHARING_WORKS, SHARING_FAILS } table_sharing;
};

/* Complete except for _core.c's functions and slots, which state_define_module() fills in. */
extern struct PyModuleDef fp_module_def;

/* The state of one of our types or of a subclass; borrowed, never NULL for such a type. */
static inline struct fp_state *state_of_type(PyTypeObject *type)
{
    return PyModule_GetState(PyType_GetModuleByDef(type, &fp_module_def));
}

/* The same for a tp_dealloc; NULL if the collector has cleared the type before. */
static inline struct fp_state *state_of_dead(PyObject *dead)
{
    PyObject *module = ((PyHeapTypeObject *)Py_TYPE(dead))->ht_module;
    return module != NULL ? PyModule_GetState(module) : NULL;
}

#define state_of(object) state_of_type(Py_TYPE(object))

/* Makes a type from its spec with one base (a borrowed Python class, or NULL), checks that
 * `instance_room` bytes hold what the base keeps in its instances, stores it in *slot, and
 * publishes it as `name` unless that is NULL.  0 or -1. */
int state_add_type(PyObject *module, PyType_Spec *spec, PyObject *base, size_t instance_room,
                   PyObject **slot, const char *name);

/* Imports `module_name` and returns its attribute, or NULL. */
PyObject *import_attribute(const char *module_name, const char *attribute);

/* Calls a function of asyncio.events, looked up by name as asyncio itself does, because libraries
 * replace some.  Returns its result, or NULL. */
PyObject *state_call_in_events(struct fp_state *state, PyObject *name);

/* Logs a warning about a child as asyncio does it.  May leave an exception. */
void state_log_warning(const char *format, int pid);

/* For _core.c: the definition of the module, with its functions and slots. */
PyObject *state_define_module(PyMethodDef *functions, PyModuleDef_Slot *slots);
/* Fills in what does not belong to one of our types.  0 or -1. */
int state_init(struct fp_state *state);

#endif
