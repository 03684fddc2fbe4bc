"""Drives Beam from outside of thinc_core: a state is a number, a step turns it into another one."""
from cymem.cymem cimport Pool
from libc.stdint cimport uint64_t
from libc.stdlib cimport calloc, free

from thinc_core.extra.search cimport (
    Beam, Entry, MaxViolation, Queue, _State, class_t, del_func_t, finish_func_t, hash_func_t, hash_t, init_func_t,
    trans_func_t, weight_t,
)

deleted = []  # values of states as they were let go of


cdef struct Number:
    uint64_t value
    int steps
    void* own  # memory that only del_func gives back


cdef class Toy:
    """Arithmetic modulo `modulus`; finished after `limit` steps or at a multiple of `stop`. fail: who raises."""
    cdef public uint64_t start, modulus, stop
    cdef public int limit
    cdef public str fail
    cdef public int calls

    def __init__(self, start=5, modulus=1000, limit=100, stop=0, fail=""):
        self.start, self.modulus, self.limit, self.stop, self.fail = start, modulus, limit, stop, fail

    def called(self, name):
        """Raise when it is name's turn: "init" at its first call, "init 3" at its third."""
        who, _, turn = self.fail.partition(" ")
        if name == who:
            self.calls += 1
            if self.calls == int(turn or 1):
                raise RuntimeError(name)


cdef void* init(Pool mem, int n, void* extra) except NULL:
    toy = <Toy>extra
    toy.called("init")
    number = <Number*>mem.alloc(1, sizeof(Number))
    number.value, number.own = toy.start + n, calloc(1, 64)
    return number


cdef int delete(Pool mem, void* state, void* extra) except -1:
    number = <Number*>state
    assert extra == NULL
    assert mem is not None and <size_t>state in mem.addresses
    free(number.own)
    deleted.append(number.value)
    if number.value == 666:
        raise RuntimeError("delete")
    return 0


cdef int transition(void* dest, void* src, class_t clas, void* extra) except -1:
    toy, new, old = <Toy>extra, <Number*>dest, <Number*>src
    toy.called("transition")
    new.value, new.steps = (old.value * 31 + clas + 1) % toy.modulus, old.steps + 1
    return 0


cdef hash_t value_hash(void* state, void* extra) except 0:
    (<Toy>extra).called("hash")
    return (<Number*>state).value + 1


cdef hash_t zero_hash(void* state, void* extra) except? 0:
    return 0


cdef int finish(void* state, void* extra) except -1:
    toy, number = <Toy>extra, <Number*>state
    toy.called("finish")
    return number.steps >= toy.limit or (toy.stop and number.value % toy.stop == 0)


def initialize(Beam beam, Toy toy, int n=0):
    cdef init_func_t make = init
    cdef del_func_t let_go = delete
    beam.initialize(make, let_go, n, <void*>toy)


def advance(Beam beam, Toy toy, str hashing="value"):
    cdef hash_func_t function = value_hash
    if hashing == "none":
        function = NULL
    elif hashing == "zero":
        function = <hash_func_t>zero_hash
    cdef trans_func_t take = transition
    beam.advance(take, function, <void*>toy)


def check_done(Beam beam, Toy toy):
    cdef finish_func_t finished = finish
    beam.check_done(finished, <void*>toy)


def steps(Beam beam):
    """(score, place * nr_class + class) of every step that the tables allow, best first."""
    cdef Queue queue
    cdef Entry entry
    beam._fill(&queue, beam.scores, beam.is_valid)
    found = []
    while not queue.empty():
        entry = queue.top()
        queue.pop()
        found.append((entry.first, entry.second))
    return found


def set_cell(Beam beam, int i, int j, weight_t score, int is_valid, weight_t cost):
    beam.set_cell(i, j, score, is_valid, cost)


cdef weight_t* floats(array) except? NULL:
    assert array.dtype == "float32" and array.flags.c_contiguous
    return <weight_t*><size_t>array.ctypes.data


cdef int* ints(array) except? NULL:
    assert array.dtype == "int32" and array.flags.c_contiguous
    return <int*><size_t>array.ctypes.data


def set_row(Beam beam, int i, scores, is_valid, costs):
    beam.set_row(i, floats(scores), ints(is_valid), floats(costs))


def set_table(Beam beam, scores, is_valid, costs):
    cdef Pool mem = Pool()
    score_rows = <weight_t**>mem.alloc(beam.width, sizeof(weight_t*))
    valid_rows = <int**>mem.alloc(beam.width, sizeof(int*))
    cost_rows = <weight_t**>mem.alloc(beam.width, sizeof(weight_t*))
    for i in range(<int>beam.width):
        score_rows[i], valid_rows[i], cost_rows[i] = floats(scores[i]), ints(is_valid[i]), floats(costs[i])
    beam.set_table(score_rows, valid_rows, cost_rows)


def tables(Beam beam):
    """The three tables as lists of rows."""
    places, classes = range(<int>beam.width), range(<int>beam.nr_class)
    return (
        [[beam.scores[i][j] for j in classes] for i in places],
        [[beam.is_valid[i][j] for j in classes] for i in places],
        [[beam.costs[i][j] for j in classes] for i in places],
    )


def states(Beam beam):
    """(score, loss, is_done, value, steps) of every state, best first."""
    found = []
    cdef _State* state
    for i in range(<int>beam.size):
        state, number = &beam._states[i], <Number*>beam.at(i)
        found.append((state.score, state.loss, bool(state.is_done), number.value, number.steps))
    return found


def mark(Beam beam, uint64_t value):
    """Give every state this value."""
    for i in range(<int>beam.width):
        (<Number*>beam._states[i].content).value = (<Number*>beam._parents[i].content).value = value


def has_state(Beam beam, int i):
    return beam.at(i) != NULL


def step_count(Beam beam):
    return beam.t


def violation(MaxViolation worst):
    return worst.cost, worst.delta


def check(MaxViolation worst, str method, Beam pred, Beam gold):
    """Through the table of C methods."""
    return worst.check(pred, gold) if method == "check" else worst.check_crf(pred, gold)
