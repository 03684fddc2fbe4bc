# cython: language_level=3, cdivision=True
"""Beam search, and the violation to learn from: other packages' Cython code brings the states; see search.pxd."""
from libc.math cimport INFINITY, exp, isnan, log
from libc.stdint cimport SIZE_MAX
from libc.string cimport memcpy, memset
from libcpp.unordered_set cimport unordered_set
from libcpp.vector cimport vector

import math

cdef extern from *:
    """
    #include <functional>
    #include <queue>
    #include <utility>
    #include <vector>
    // All at once is linear in their number, and faster than one after the other.
    template <typename Entry>
    static std::priority_queue<Entry> queue_of(std::vector<Entry>& entries) {
      return std::priority_queue<Entry>(std::less<Entry>(), std::move(entries));
    }
    """
    Queue queue_of(vector[Entry]& entries) except +

# As hash_func_t, but a 0 without an exception is a hash too.
ctypedef hash_t (*any_hash_t)(void* state, void* x) except? 0


cdef class Beam:
    """The `width` best states of a search in which every step takes one of nr_class transitions.

    Constructing it makes the places; the states come with the C method initialize.
    nr_class, width: at least 1.
    min_density: steps less probable than min_density times the best one are not taken; 0 takes all.
    RAISES: AssertionError when nr_class or width is 0; MemoryError when their tables cannot fit.
    """

    def __init__(self, class_t nr_class, class_t width, weight_t min_density=0.0):
        if self._states != NULL:
            raise RuntimeError("Beam: __init__ must be called once (make a new Beam)")
        if nr_class == 0 or width == 0:
            raise AssertionError(f"Beam: nr_class and width must be >= 1; got {nr_class} and {width}")
        if width > SIZE_MAX / 2 / sizeof(_State) or nr_class > SIZE_MAX / 2 / sizeof(weight_t) / width:
            raise MemoryError(f"Beam: nr_class * width scores must fit into memory; got {nr_class} and {width}")
        self.mem = Pool()
        self.scores = <weight_t**>_table(self.mem, width, nr_class, sizeof(weight_t))
        self.is_valid = <int**>_table(self.mem, width, nr_class, sizeof(int))
        self.costs = <weight_t**>_table(self.mem, width, nr_class, sizeof(weight_t))
        self.histories, self._parent_histories = _empty_histories(width), _empty_histories(width)
        self._parents = <_State*>self.mem.alloc(width, sizeof(_State))
        self._states = <_State*>self.mem.alloc(width, sizeof(_State))
        self.nr_class, self.width, self.size, self.min_density = nr_class, width, 1, min_density

    def __del__(self):
        # Before a collector breaks a cycle: afterwards mem and the states in it are gone.
        cdef class_t i
        for i in range(self.width):
            _delete(self, &self._states[i])
            _delete(self, &self._parents[i])

    def __len__(self):
        return self.size

    @property
    def score(self):
        """Score of the best state."""
        return _best(self).score

    @property
    def min_score(self):
        """Score of the worst state that was kept."""
        _best(self)
        return self._states[self.size - 1].score

    @property
    def loss(self):
        """Sum of the costs on the way to the best state."""
        return _best(self).loss

    @property
    def probs(self):
        """Softmax of the scores, best first."""
        return _softmax(_scores(self))

    @property
    def scores(self):
        """Scores of the states, best first."""
        return _scores(self)

    @property
    def histories(self):
        """For each of the `width` places, the classes on the way to its state; empty where there is no state."""
        return self.histories

    cdef int _fill(self, Queue* q, weight_t** scores, int** is_valid) except -1:
        """Put into q every step that a state can take. A finished one has a single step: it stays as it is.

        q: score after the step, and parent * nr_class + class.
        RAISES: ValueError when a score is NaN.
        """
        cdef class_t i, j, nr_class = self.nr_class
        cdef _State state
        cdef vector[Entry] steps
        cdef double lowest = _lowest_score(self, scores, is_valid)
        steps.reserve(self.size * nr_class)
        for i in range(self.size):
            state = self._states[i]
            if state.is_done:
                _offer(steps, _lasting_score(self, i), i * nr_class, lowest)
                continue
            for j in range(nr_class):
                if is_valid[i][j]:
                    _offer(steps, state.score + scores[i][j], i * nr_class + j, lowest)
        q[0] = queue_of(steps)
        return 0

    cdef int initialize(self, init_func_t init_func, del_func_t del_func, int n, void* extra_args) except -1:
        """Make the states, two for each place: a step writes the new ones over the parents of the last step.

        RAISES: RuntimeError when called twice; what init_func raises.
        """
        cdef class_t i
        if self._states == NULL or self._states[0].content != NULL:
            raise RuntimeError("Beam.initialize: must be called once, after __init__ (make a new Beam)")
        self.del_func = del_func
        for i in range(self.width):
            self._states[i].content = init_func(self.mem, n, extra_args)
            self._parents[i].content = init_func(self.mem, n, extra_args)
        return 0

    cdef int advance(self, trans_func_t transition_func, hash_func_t hash_func, void* extra_args) except -1:
        """Take the best steps that scores and is_valid allow, best first, of equal ones that of the later class.

        hash_func: NULL, or steps that lead to a state of equal hash are left out, all but the best.
        RAISES: AssertionError when no step is possible, ValueError when a score is NaN, both with nothing changed; what
            the functions raise, after which the beam can only be dropped.
        """
        cdef Queue q
        cdef Entry step
        cdef unordered_set[hash_t] seen
        _require_states(self, "advance")
        self._fill(&q, self.scores, self.is_valid)
        if q.empty():
            raise AssertionError("Beam.advance: a state must have a valid class; got none")
        self._parents, self._states = self._states, self._parents
        self._parent_histories, self.histories = self.histories, _empty_histories(self.width)
        self.size = 0
        while self.size < self.width and not q.empty():
            step = q.top()
            q.pop()
            if self._parents[step.second / self.nr_class].is_done:
                _keep(self, step)
            else:
                _take(self, step, transition_func, <any_hash_t>hash_func, &seen, extra_args)
        _clear_tables(self)
        self.t += 1
        return 0

    cdef int check_done(self, finish_func_t finish_func, void* extra_args) except -1:
        """Ask of every state that is not finished whether it is; the beam is done when all are."""
        cdef class_t i
        cdef bint all_done = True
        _require_states(self, "check_done")
        for i in range(self.size):
            if not self._states[i].is_done:
                self._states[i].is_done = finish_func(self._states[i].content, extra_args)
            all_done = all_done and self._states[i].is_done
        self.is_done = all_done
        return 0

    cdef int set_row(self, int i, const weight_t* scores, const int* is_valid, const weight_t* costs) except -1:
        """Copy nr_class values of each kind to the steps of state i. RAISES: IndexError."""
        if <class_t>i >= self.width:
            raise IndexError(f"Beam.set_row: i must be in [0, {self.width}); got {i}")
        memcpy(self.scores[i], scores, self.nr_class * sizeof(weight_t))
        memcpy(self.is_valid[i], is_valid, self.nr_class * sizeof(int))
        memcpy(self.costs[i], costs, self.nr_class * sizeof(weight_t))
        return 0

    cdef int set_table(self, weight_t** scores, int** is_valid, weight_t** costs) except -1:
        """Copy `width` rows of nr_class values of each kind to the steps of all states."""
        cdef class_t i
        for i in range(self.width):
            memcpy(self.scores[i], scores[i], self.nr_class * sizeof(weight_t))
            memcpy(self.is_valid[i], is_valid[i], self.nr_class * sizeof(int))
            memcpy(self.costs[i], costs[i], self.nr_class * sizeof(weight_t))
        return 0


cdef void** _table(Pool mem, class_t rows, class_t columns, size_t size) except NULL:
    """Zeros, and a pointer to each row of them."""
    cdef char* cells = <char*>mem.alloc(rows * columns, size)
    cdef void** table = <void**>mem.alloc(rows, sizeof(void*))
    cdef class_t i
    for i in range(rows):
        table[i] = cells + i * columns * size
    return table


cdef list _empty_histories(class_t width):
    return [[] for _ in range(width)]


cdef void _delete(Beam beam, _State* state) noexcept:
    """An exception is reported and goes no further, so that the other states are let go of too."""
    content, state.content = state.content, NULL
    if content != NULL and beam.del_func != NULL:
        beam.del_func(beam.mem, content, NULL)


cdef int _require_states(Beam beam, str method) except -1:
    # initialize makes the last parent last: while it is missing, so may be others.
    if beam._parents == NULL or beam._parents[beam.width - 1].content == NULL:
        raise RuntimeError(f"Beam.{method}: the beam must have its states (call initialize first)")
    return 0


cdef _State* _best(Beam beam) except NULL:
    if beam.size == 0:
        raise IndexError("Beam: there must be a state; got none (a step failed or __init__ was not called)")
    return beam._states


cdef list _scores(Beam beam):
    return [beam._states[i].score for i in range(beam.size)]


cdef list _softmax(list scores):
    highest = max(scores, default=0.0)
    powers = [math.exp(score - highest) for score in scores]
    total = sum(powers)
    return [power / total for power in powers]


cdef weight_t _lasting_score(Beam beam, class_t i) noexcept:
    """Score of a finished state as if it had gone on at its average pace: so it competes with longer ones."""
    cdef weight_t score = beam._states[i].score
    return score + score / beam.t if len(beam.histories[i]) > 0 else score


cdef inline int _offer(vector[Entry]& steps, weight_t score, size_t step, double lowest) except -1:
    if score >= lowest:
        steps.push_back(Entry(score, step))
    elif isnan(score):
        raise ValueError(f"Beam.advance: scores must be numbers; got NaN for step {step} (state * nr_class + class)")
    return 0


cdef double _lowest_score(Beam beam, weight_t** scores, int** is_valid) noexcept:
    """Score that a step must have to be probable enough beside the best one."""
    cdef class_t i, j
    cdef weight_t best = -INFINITY
    if not beam.min_density > 0:
        return -INFINITY
    for i in range(beam.size):
        if beam._states[i].is_done:
            best = max(best, _lasting_score(beam, i))
            continue
        for j in range(beam.nr_class):
            if is_valid[i][j]:
                best = max(best, beam._states[i].score + scores[i][j])
    return min(best, best + log(<double>beam.min_density))


cdef int _keep(Beam beam, Entry step) except -1:
    """Carry over a finished parent: its place in the beam and the new one change their contents."""
    cdef class_t parent = step.second / beam.nr_class
    cdef _State state = beam._parents[parent]
    beam._parents[parent] = beam._states[beam.size]
    beam._states[beam.size] = state
    beam._states[beam.size].score = step.first
    beam.histories[beam.size] = list(beam._parent_histories[parent])
    beam.size += 1
    return 0


cdef int _take(Beam beam, Entry step, trans_func_t transition_func, any_hash_t hash_func, unordered_set[hash_t]* seen,
               void* extra_args) except -1:
    """Make the state that a step leads to; it stays unless there is a better one of the same hash."""
    cdef class_t i = step.second / beam.nr_class, clas = step.second % beam.nr_class
    cdef _State* parent = &beam._parents[i]
    cdef _State* state = &beam._states[beam.size]
    cdef hash_t key = 0
    transition_func(state.content, parent.content, clas, extra_args)
    if hash_func != NULL:
        key = hash_func(state.content, extra_args)
    if key > 1 and not seen.insert(key).second:
        return 0
    state.score, state.loss, state.is_done = step.first, parent.loss + beam.costs[i][clas], False
    beam.histories[beam.size] = beam._parent_histories[i] + [clas]
    beam.size += 1
    return 0


cdef void _clear_tables(Beam beam) noexcept:
    cdef class_t i
    for i in range(beam.width):
        memset(beam.scores[i], 0, beam.nr_class * sizeof(weight_t))
        memset(beam.is_valid[i], 0, beam.nr_class * sizeof(int))
        memset(beam.costs[i], 0, beam.nr_class * sizeof(weight_t))


cdef class MaxViolation:
    """The step of a search at which the predicted beam was furthest ahead of the gold one: what to learn from.

    p_hist, g_hist: predicted and gold classes; p_probs, g_probs: gradients of check_crf.
    SOURCE: Huang, Fayong, Guo 2012, Structured Perceptron with Inexact Search, section 3.
    """

    def __init__(self):
        self.cost, self.delta, self.n = 0, -1, 0
        self.p_score, self.g_score, self.Z, self.gZ = 0, 0, 0, 0
        self.p_hist, self.g_hist, self.p_probs, self.g_probs = [], [], [], []

    cpdef int check(self, Beam pred, Beam gold) except -1:
        """Remember the best of both beams if pred's has a loss of at least 1 and is further ahead than before.

        Z, gZ: sums of exp(score) of the gold states without loss, and in Z also of the predicted ones with loss.
        RAISES: TypeError when a beam is None.
        """
        cdef class_t i
        if not _is_worse(self, pred, gold, 1):
            return 0
        self.p_score, self.g_score = pred._states[0].score, gold._states[0].score
        self.p_hist, self.g_hist = list(pred.histories[0]), list(gold.histories[0])
        self.gZ = self.Z = 1e-10  # not 0, so that they can be divided by
        for i in range(gold.size):
            if gold._states[i].loss == 0:
                self.gZ += exp(<double>gold._states[i].score)
        self.Z = self.gZ
        for i in range(pred.size):
            if pred._states[i].loss > 0:
                self.Z += exp(<double>pred._states[i].score)
        return 0

    cpdef int check_crf(self, Beam pred, Beam gold) except -1:
        """Remember all of both beams if pred's best has a loss and is further ahead than before.

        p_hist: the predicted histories with loss; p_probs: their probabilities among p_hist and g_hist.
        g_hist: the histories without loss, predicted ones that gold does not hold, then gold ones; g_probs: their
            probabilities among p_hist and g_hist less those among g_hist.
        RAISES: TypeError when a beam is None.
        """
        if not _is_worse(self, pred, gold, 0):
            return 0
        cdef list p_scores = [], g_scores = [], probs
        in_gold = {tuple(history) for history in gold.histories[:gold.size]}
        self.p_hist, self.g_hist = [], []
        for i in range(pred.size):
            if pred._states[i].loss > 0:
                _collect(pred, i, self.p_hist, p_scores)
            elif tuple(pred.histories[i]) not in in_gold:
                _collect(pred, i, self.g_hist, g_scores)
        for i in range(gold.size):
            if gold._states[i].loss == 0:
                _collect(gold, i, self.g_hist, g_scores)
        probs = _softmax(p_scores + g_scores)
        self.p_probs = probs[:len(p_scores)]
        self.g_probs = [among_all - alone for among_all, alone in zip(probs[len(p_scores):], _softmax(g_scores))]
        return 0


cdef int _collect(Beam beam, Py_ssize_t i, list histories, list scores) except -1:
    histories.append(list(beam.histories[i]))
    scores.append(beam._states[i].score)
    return 0


cdef bint _is_worse(MaxViolation violation, Beam pred, Beam gold, weight_t least_loss) except -1:
    """Whether pred's best state has enough loss (any, if least_loss is 0) and the largest lead; remembers both."""
    if pred is None or gold is None:
        raise TypeError("MaxViolation: pred and gold must be beams; got None")
    cdef weight_t loss = _best(pred).loss
    cdef weight_t delta = _best(pred).score - _best(gold).score
    if loss <= 0 or loss < least_loss or not (violation.cost == 0 or delta > violation.delta):
        return False
    violation.cost, violation.delta = loss, delta
    return True
