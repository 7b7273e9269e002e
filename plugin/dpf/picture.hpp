#pragma once

#include <algorithm>
#include <atomic>
#include <vector>

#include "parameters.hpp"
#include "stream.hpp"

namespace stems {

/// What a window shows of the last frame: written on the audio thread, read on any other.
struct Picture {
    static constexpr int COLUMNS = 80;

    std::atomic<float> power[STEMS]{};           // mean square of each stem, before its fader
    std::atomic<float> cells[STEMS][COLUMNS]{};  // power of each stem from the lowest band to the highest

    void take(const Stream& stream, const std::vector<int>& faders) {
        float powers[STEMS] = {}, found[STEMS][COLUMNS] = {};
        const int bands = stream.bands();
        for (int stem = 0; stem < stream.stems(); ++stem) {
            powers[faders[stem]] += stream.stem_powers()[stem];
            for (int band = 0; band < bands; ++band)
                found[faders[stem]][band * COLUMNS / bands] += stream.shares()[stem * bands + band] * stream.powers()[band];
        }
        for (int stem = 0; stem < STEMS; ++stem) {
            power[stem].store(powers[stem], std::memory_order_relaxed);
            for (int column = 0; column < COLUMNS; ++column)
                cells[stem][column].store(found[stem][column], std::memory_order_relaxed);
        }
    }
};

}  // namespace stems
