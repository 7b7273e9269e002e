#include "loudness.hpp"

#include <algorithm>
#include <cmath>

namespace stems {
namespace {

constexpr double LOUDNESS_SECONDS = 5;  // that the running loudness covers, as long as the excerpts of training
constexpr float FAINTEST = 1e-8f;       // power; hops below -80 dBFS are pauses
constexpr float GATE = 1e-4f;           // of the loudest power; quieter hops do not count

}  // namespace

RunningLoudness::RunningLoudness(double known, const Grid& grid)
    : known_power_(static_cast<float>(known * known)),
      powers_(static_cast<std::size_t>(std::ceil(LOUDNESS_SECONDS / grid.frame_seconds()))) {}

void RunningLoudness::reset() {
    std::fill(powers_.begin(), powers_.end(), 0.0f);
    next_ = 0;
}

float RunningLoudness::gain(float power) {
    if (power > FAINTEST) {
        powers_[next_] = power;
        next_ = (next_ + 1) % powers_.size();
    }
    const float loudest = *std::max_element(powers_.begin(), powers_.end());
    if (loudest == 0) return 1;
    double sum = 0;
    int count = 0;
    for (const float heard : powers_)
        if (heard >= loudest * GATE) sum += heard, ++count;
    return static_cast<float>(known_power_ / (sum / count));
}

}  // namespace stems
