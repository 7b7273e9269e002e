#pragma once

#include <cstdint>

#if defined(__SSE2__) || defined(_M_X64)
#include <immintrin.h>
#endif

namespace stems {

/// Has the processor take denormal numbers as zero while it lives, since they are slow to compute with.
class NoDenormals {
public:
    NoDenormals() : before_(state()) { set_state(before_ | FLUSH); }
    ~NoDenormals() { set_state(before_); }
    NoDenormals(const NoDenormals&) = delete;

private:
#if defined(__SSE2__) || defined(_M_X64)
    static constexpr std::uint64_t FLUSH = 0x8040;  // flush to zero, denormals are zero
    static std::uint64_t state() { return _mm_getcsr(); }
    static void set_state(std::uint64_t value) { _mm_setcsr(static_cast<unsigned>(value)); }
#elif defined(__aarch64__) && defined(__GNUC__)
    static constexpr std::uint64_t FLUSH = 1 << 24;
    static std::uint64_t state() {
        std::uint64_t value;
        asm volatile("mrs %0, fpcr" : "=r"(value));
        return value;
    }
    static void set_state(std::uint64_t value) { asm volatile("msr fpcr, %0" : : "r"(value)); }
#else
    static constexpr std::uint64_t FLUSH = 0;
    static std::uint64_t state() { return 0; }
    static void set_state(std::uint64_t) {}
#endif
    std::uint64_t before_;
};

}  // namespace stems
