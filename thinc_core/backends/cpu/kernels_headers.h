// What every instruction set's file includes before it opens its target region: functions of the C++ library, which the
// linker may take from any of the objects, are compiled for all machines.
#pragma once
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <type_traits>
#include <utility>

#include "thinc_core/kernels.h"
#include "thinc_core/murmur3.h"
#include "threads.h"

#if defined(__GNUC__) && !defined(__clang__)
// Vectors are passed between inlined functions only, so how another compiler would pass them does not matter.
#pragma GCC diagnostic ignored "-Wpsabi"
#endif

// Compilers without target regions (MSVC) get the baseline alone.
#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))
#define THINC_HAS_X86_ISAS 1
#endif

#define THINC_STR_(x) #x
#define THINC_STR(x) THINC_STR_(x)
