/* One crossing for a guest's call: what `runtime/call` does with five calls of ctypes, done in one of C.
 *
 * It knows nothing of wasmtime but the addresses of the functions that `engine/crossing.py` hands it, which are those
 * of the very library that wasmtime's binding has loaded, and the layout of a component value, which is compared there.
 * No object of Python's is seen by a guest. The interpreter's lock is let go where `runtime/call` lets it go, and
 * nowhere else. Every call here leaves memory and error as the calls of ctypes leave them, so that the rest of a call
 * that is not over, and of one that failed, is theirs.
 */

#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030B0000
#include <Python.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <structmember.h>

#define VERSION 1 /* of what `engine/crossing.py` expects of this file */

enum { VAL_BYTES = 32, SECOND_NS = 1000000000 };

static struct {
    void *(*set_fuel)(void *context, uint64_t fuel);
    void (*set_epoch_deadline)(void *context, uint64_t ticks);
    void *(*call_async)(void *func, void *context, void *args, size_t count, void *results, size_t result_count, void **error);
    bool (*future_poll)(void *future);
    void (*future_delete)(void *future);
    void (*val_delete)(void *val);
    void *(*get_data)(void *context);
    void *(*error_new)(const char *text);
} wasmtime;

static struct {
    uint32_t top, payload, time, answer, max_bytes;
} window; /* where things lie in an adapter's memory: `adapter/window.py` */

static PyObject *pending, *ended;       /* what a call says that has no answer yet, or one to be read with care */
static PyObject *replied, *nothing_replied;

/* A call of one exported function of one instance. */
typedef struct {
    PyObject_HEAD
    void *context, *func, *arguments, *result, **error;
    size_t argument_count, result_count;
    const uint64_t *place; /* address and size of the adapter's memory, which may move; NULL without one */
    void *future;          /* of the call that is not over */
} Call;

static int call_init(PyObject *self, PyObject *args, PyObject *kwargs)
{
    Call *call = (Call *)self;
    unsigned long long context, func, arguments, result, error, place;
    if (kwargs != NULL || !PyArg_ParseTuple(args, "KKKnKnKK:Call", &context, &func, &arguments, &call->argument_count,
                                            &result, &call->result_count, &error, &place))
        return -1;
    call->context = (void *)(uintptr_t)context;
    call->func = (void *)(uintptr_t)func;
    call->arguments = (void *)(uintptr_t)arguments;
    call->result = (void *)(uintptr_t)result;
    call->error = (void **)(uintptr_t)error;
    call->place = (const uint64_t *)(uintptr_t)place;
    return 0;
}

static void call_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    ((freefunc)PyType_GetSlot(type, Py_tp_free))(self);
    Py_DECREF(type);
}

static uint8_t *memory_of(const Call *call, uint64_t bytes)
{
    if (call->place == NULL || bytes > call->place[1]) {
        PyErr_SetString(PyExc_RuntimeError, "a frame is larger than the memory that it is for");
        return NULL;
    }
    return (uint8_t *)(uintptr_t)call->place[0];
}

/* Set the limits, begin the call and run it until it is over or gives way. */
static bool cross(Call *call, uint64_t fuel, bool keeps_lock)
{
    void *future;
    bool is_over;
    (void)wasmtime.set_fuel(call->context, fuel); /* fails only where fuel is not counted */
    wasmtime.set_epoch_deadline(call->context, 1);
    future = wasmtime.call_async(call->func, call->context, call->arguments, call->argument_count, call->result,
                                 call->result_count, call->error);
    if (keeps_lock)
        is_over = wasmtime.future_poll(future);
    else {
        Py_BEGIN_ALLOW_THREADS
        is_over = wasmtime.future_poll(future);
        Py_END_ALLOW_THREADS
    }
    if (!is_over) {
        call->future = future;
        return false;
    }
    wasmtime.future_delete(future);
    for (size_t at = 0; call->place == NULL && at < call->argument_count; at++)
        wasmtime.val_delete((uint8_t *)call->arguments + at * VAL_BYTES);
    return true;
}

static PyObject *known(PyObject *object)
{
    Py_INCREF(object);
    return object;
}

/* limits(args): the fuel, and whether the lock is kept; the last two of three arguments. */
static int limits(PyObject *const *args, Py_ssize_t count, uint64_t *fuel, bool *keeps_lock)
{
    if (count != 3) {
        PyErr_SetString(PyExc_TypeError, "expected values, fuel, and whether the lock is kept");
        return -1;
    }
    *fuel = PyLong_AsUnsignedLongLong(args[1]);
    if (*fuel == (uint64_t)-1 && PyErr_Occurred())
        return -1;
    *keeps_lock = args[2] == Py_True;
    return 0;
}

/* run(data, fuel, keeps_lock): put `data` where the call's arguments are read, and call. */
static PyObject *call_run(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    Call *call = (Call *)self;
    uint64_t fuel;
    bool keeps_lock;
    char *data;
    Py_ssize_t length;
    void *to;
    if (limits(args, count, &fuel, &keeps_lock) || PyBytes_AsStringAndSize(args[0], &data, &length))
        return NULL;
    to = call->place == NULL ? call->arguments : memory_of(call, (uint64_t)length);
    if (to == NULL)
        return NULL;
    if (call->place == NULL && (size_t)length != call->argument_count * VAL_BYTES) {
        PyErr_SetString(PyExc_RuntimeError, "other values than the function takes");
        return NULL;
    }
    memcpy(to, data, (size_t)length);
    return known(cross(call, fuel, keeps_lock) ? ended : pending);
}

/* Split nanoseconds since 1970 into seconds and the rest; they may be more than 64 bits hold. */
static int seconds_of(PyObject *time_ns, uint64_t *seconds, uint32_t *rest)
{
    const uint64_t now_ns = PyLong_AsUnsignedLongLong(time_ns);
    PyObject *second_ns, *whole, *part;
    if (now_ns != (uint64_t)-1 || !PyErr_Occurred()) {
        *seconds = now_ns / SECOND_NS;
        *rest = (uint32_t)(now_ns % SECOND_NS);
        return 0;
    }
    PyErr_Clear();
    *seconds = *rest = 0;
    second_ns = PyLong_FromLong(SECOND_NS);
    whole = second_ns == NULL ? NULL : PyNumber_FloorDivide(time_ns, second_ns);
    part = whole == NULL ? NULL : PyNumber_Remainder(time_ns, second_ns);
    if (part != NULL) {
        *seconds = PyLong_AsUnsignedLongLong(whole);
        *rest = (uint32_t)PyLong_AsUnsignedLong(part);
    }
    Py_XDECREF(second_ns);
    Py_XDECREF(whole);
    Py_XDECREF(part);
    return PyErr_Occurred() ? -1 : 0;
}

static void put_u32(uint8_t *at, uint32_t value) { memcpy(at, &value, sizeof value); }
static uint32_t get_u32(const uint8_t *at) { uint32_t value; memcpy(&value, at, sizeof value); return value; }

/* Write a message at the begin of an adapter's memory. */
static int put_message(Call *call, PyObject *values)
{
    char *head, *payload;
    Py_ssize_t head_bytes, payload_bytes;
    uint64_t seconds;
    uint32_t rest;
    uint8_t *memory;
    if (PyTuple_Size(values) != 3 || PyBytes_AsStringAndSize(PyTuple_GetItem(values, 0), &head, &head_bytes) ||
        PyBytes_AsStringAndSize(PyTuple_GetItem(values, 1), &payload, &payload_bytes)) {
        if (!PyErr_Occurred())
            PyErr_SetString(PyExc_TypeError, "expected a head, a payload and a time");
        return -1;
    }
    if (seconds_of(PyTuple_GetItem(values, 2), &seconds, &rest))
        return -1;
    if ((uint64_t)head_bytes < window.time + 12) {
        PyErr_SetString(PyExc_RuntimeError, "a message's head is too short");
        return -1;
    }
    memory = memory_of(call, (uint64_t)head_bytes + (uint64_t)payload_bytes);
    if (memory == NULL)
        return -1;
    memcpy(memory, head, (size_t)head_bytes);
    memcpy(memory + head_bytes, payload, (size_t)payload_bytes);
    put_u32(memory + window.top, (uint32_t)(head_bytes + payload_bytes));
    put_u32(memory + window.payload, (uint32_t)head_bytes);
    put_u32(memory + window.payload + 4, (uint32_t)payload_bytes);
    memcpy(memory + window.time, &seconds, sizeof seconds);
    put_u32(memory + window.time + 8, rest);
    return 0;
}

/* Take a plain answer out of an adapter's memory; anything else is for Python to read. */
static PyObject *answer_of(const Call *call)
{
    const uint8_t *memory = (const uint8_t *)(uintptr_t)call->place[0];
    uint64_t at, length;
    PyObject *payload, *answer;
    if (*call->error != NULL || memory[window.answer] != 0)
        return known(ended);
    if (memory[window.answer + 4] == 0)
        return known(nothing_replied);
    at = get_u32(memory + window.answer + 8);
    length = get_u32(memory + window.answer + 12);
    if (length > window.max_bytes || at + length > call->place[1])
        return known(ended);
    payload = PyBytes_FromStringAndSize((const char *)memory + at, (Py_ssize_t)length);
    if (payload == NULL)
        return NULL;
    answer = PyObject_CallFunctionObjArgs(replied, payload, NULL);
    Py_DECREF(payload);
    return answer;
}

/* handle((head, payload, time_ns), fuel, keeps_lock): have an actor handle a message. */
static PyObject *call_handle(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    Call *call = (Call *)self;
    uint64_t fuel;
    bool keeps_lock;
    if (limits(args, count, &fuel, &keeps_lock) || put_message(call, args[0]))
        return NULL;
    return cross(call, fuel, keeps_lock) ? answer_of(call) : known(pending);
}

static PyMethodDef call_methods[] = {
    {"run", (PyCFunction)(void (*)(void))call_run, METH_FASTCALL, NULL},
    {"handle", (PyCFunction)(void (*)(void))call_handle, METH_FASTCALL, NULL},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef call_members[] = {
    {"future", T_ULONGLONG, offsetof(Call, future), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot call_slots[] = {
    {Py_tp_init, call_init},
    {Py_tp_new, PyType_GenericNew},
    {Py_tp_dealloc, call_dealloc},
    {Py_tp_methods, call_methods},
    {Py_tp_members, call_members},
    {0, NULL},
};

static PyType_Spec call_spec = {
    "orchestrator.runtime.engine._crossing.Call", sizeof(Call), 0, Py_TPFLAGS_DEFAULT, call_slots,
};

/* A host function: wasmtime calls `called` with the object's address, and that calls its body. */
typedef struct {
    PyObject_HEAD
    PyObject *body; /* (number of the instance, arguments) -> result, or None to end the guest's call */
    unsigned long long address, function;
} Callback;

static void *called(void *data, void *context, void *type, void *args, size_t count, void *results, size_t result_count)
{
    PyGILState_STATE state = PyGILState_Ensure();
    PyObject *number = PyLong_FromSize_t((size_t)wasmtime.get_data(context));
    PyObject *images = PyBytes_FromStringAndSize(args, (Py_ssize_t)(count * VAL_BYTES));
    PyObject *answer = NULL;
    char *image;
    Py_ssize_t length;
    bool is_well = false;
    if (number != NULL && images != NULL)
        answer = PyObject_CallFunctionObjArgs(((Callback *)data)->body, number, images, NULL);
    if (answer != NULL && answer != Py_None && PyBytes_AsStringAndSize(answer, &image, &length) == 0 &&
        (size_t)length == result_count * VAL_BYTES) {
        memcpy(results, image, (size_t)length);
        is_well = true;
    }
    if (PyErr_Occurred()) /* a signal that came before the body could keep it: as with ctypes, it is reported */
        PyErr_WriteUnraisable(((Callback *)data)->body);
    Py_XDECREF(answer);
    Py_XDECREF(images);
    Py_XDECREF(number);
    PyGILState_Release(state);
    return is_well ? NULL : wasmtime.error_new("ended by the host");
}

static int callback_init(PyObject *self, PyObject *args, PyObject *kwargs)
{
    Callback *callback = (Callback *)self;
    PyObject *body, *before = callback->body;
    if (kwargs != NULL || !PyArg_ParseTuple(args, "O:Callback", &body))
        return -1;
    Py_INCREF(body);
    callback->body = body;
    Py_XDECREF(before);
    callback->address = (uintptr_t)self;
    callback->function = (uintptr_t)called;
    return 0;
}

static void callback_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    Py_XDECREF(((Callback *)self)->body);
    ((freefunc)PyType_GetSlot(type, Py_tp_free))(self);
    Py_DECREF(type);
}

static PyMemberDef callback_members[] = {
    {"address", T_ULONGLONG, offsetof(Callback, address), READONLY, NULL},
    {"function", T_ULONGLONG, offsetof(Callback, function), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot callback_slots[] = {
    {Py_tp_init, callback_init},
    {Py_tp_new, PyType_GenericNew},
    {Py_tp_dealloc, callback_dealloc},
    {Py_tp_members, callback_members},
    {0, NULL},
};

static PyType_Spec callback_spec = {
    "orchestrator.runtime.engine._crossing.Callback", sizeof(Callback), 0, Py_TPFLAGS_DEFAULT, callback_slots,
};

static void *function_of(PyObject *functions, const char *name)
{
    PyObject *address = PyDict_GetItemString(functions, name);
    void *found = address == NULL ? NULL : PyLong_AsVoidPtr(address);
    if (found == NULL && !PyErr_Occurred())
        PyErr_Format(PyExc_LookupError, "no address of %s", name);
    return found;
}

/* bind(functions, places, answers): the functions' addresses, where things lie, and what a call answers with. */
static PyObject *bind(PyObject *module, PyObject *args)
{
    PyObject *functions;
    if (!PyArg_ParseTuple(args, "O!(IIIII)(OOOO):bind", &PyDict_Type, &functions, &window.top, &window.payload,
                          &window.time, &window.answer, &window.max_bytes, &pending, &ended, &replied,
                          &nothing_replied))
        return NULL;
    Py_INCREF(pending), Py_INCREF(ended), Py_INCREF(replied), Py_INCREF(nothing_replied);
#define BIND(field, name) \
    if ((*(void **)&wasmtime.field = function_of(functions, name)) == NULL) \
        return NULL
    BIND(set_fuel, "wasmtime_context_set_fuel");
    BIND(set_epoch_deadline, "wasmtime_context_set_epoch_deadline");
    BIND(call_async, "wasmtime_component_func_call_async");
    BIND(future_poll, "wasmtime_call_future_poll");
    BIND(future_delete, "wasmtime_call_future_delete");
    BIND(val_delete, "wasmtime_component_val_delete");
    BIND(get_data, "wasmtime_context_get_data");
    BIND(error_new, "wasmtime_error_new");
    Py_RETURN_NONE;
}

static PyMethodDef module_methods[] = {
    {"bind", bind, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, .m_name = "_crossing", .m_size = -1, .m_methods = module_methods,
};

static int add_type(PyObject *module, const char *name, PyType_Spec *spec)
{
    PyObject *type = PyType_FromSpec(spec);
    int failed = type == NULL || PyModule_AddObjectRef(module, name, type);
    Py_XDECREF(type);
    return failed;
}

PyMODINIT_FUNC PyInit__crossing(void)
{
    PyObject *module = PyModule_Create(&definition);
    if (module != NULL && (add_type(module, "Call", &call_spec) || add_type(module, "Callback", &callback_spec) ||
                           PyModule_AddIntConstant(module, "VERSION", VERSION))) {
        Py_DECREF(module);
        return NULL;
    }
    return module;
}
