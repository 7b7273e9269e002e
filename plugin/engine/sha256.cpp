#include "sha256.hpp"

#include <array>
#include <cmath>
#include <cstdint>

namespace stems {
namespace {

std::uint32_t rotated(std::uint32_t word, int by) { return word >> by | word << (32 - by); }

/// The first 32 bits of the fractional part of a root of a prime, of which all constants are made.
std::uint32_t fraction(long double root) { return static_cast<std::uint32_t>((root - std::floor(root)) * 4294967296.0L); }

struct Constants {
    std::array<std::uint32_t, 8> start;
    std::array<std::uint32_t, 64> round;

    Constants() {
        for (int number = 2, found = 0; found < 64; ++number) {
            bool prime = true;
            for (int divisor = 2; divisor * divisor <= number; ++divisor) prime = prime && number % divisor;
            if (!prime) continue;
            if (found < 8) start[found] = fraction(std::sqrt(static_cast<long double>(number)));
            round[found++] = fraction(std::cbrt(static_cast<long double>(number)));
        }
    }
};

void compress(std::array<std::uint32_t, 8>& state, const unsigned char* block, const Constants& constants) {
    std::uint32_t words[64];
    for (int i = 0; i < 16; ++i)
        words[i] = std::uint32_t{block[4 * i]} << 24 | std::uint32_t{block[4 * i + 1]} << 16 |
                   std::uint32_t{block[4 * i + 2]} << 8 | block[4 * i + 3];
    for (int i = 16; i < 64; ++i) {
        const std::uint32_t low = words[i - 15], high = words[i - 2];
        words[i] = words[i - 16] + (rotated(low, 7) ^ rotated(low, 18) ^ low >> 3) + words[i - 7] +
                   (rotated(high, 17) ^ rotated(high, 19) ^ high >> 10);
    }
    auto [a, b, c, d, e, f, g, h] = state;
    for (int i = 0; i < 64; ++i) {
        const std::uint32_t first = h + (rotated(e, 6) ^ rotated(e, 11) ^ rotated(e, 25)) + ((e & f) ^ (~e & g)) +
                                    constants.round[i] + words[i];
        const std::uint32_t second =
            (rotated(a, 2) ^ rotated(a, 13) ^ rotated(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
        h = g, g = f, f = e, e = d + first, d = c, c = b, b = a, a = first + second;
    }
    const std::uint32_t added[] = {a, b, c, d, e, f, g, h};
    for (int i = 0; i < 8; ++i) state[i] += added[i];
}

}  // namespace

std::string sha256(const std::string& content) {
    static const Constants constants;
    std::string padded = content + '\x80';
    padded.resize((padded.size() + 8 + 63) / 64 * 64 - 8);
    for (int shift = 56; shift >= 0; shift -= 8)
        padded += static_cast<char>(static_cast<std::uint64_t>(content.size()) * 8 >> shift);
    std::array<std::uint32_t, 8> state = constants.start;
    for (std::size_t place = 0; place < padded.size(); place += 64)
        compress(state, reinterpret_cast<const unsigned char*>(padded.data()) + place, constants);
    std::string digits;
    for (const std::uint32_t word : state)
        for (int shift = 28; shift >= 0; shift -= 4) digits += "0123456789abcdef"[word >> shift & 15];
    return digits;
}

}  // namespace stems
