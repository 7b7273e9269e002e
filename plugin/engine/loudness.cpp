#include "loudness.hpp"

#include <algorithm>
#include <cmath>

namespace stems {

RunningLoudness::RunningLoudness(const Running& running, const Grid& grid)
    : known_power_(static_cast<float>(running.known_loudness * running.known_loudness)),
      faintest_(static_cast<float>(running.faintest)), gate_(static_cast<float>(running.gate)),
      powers_(static_cast<std::size_t>(std::ceil(running.loudness_seconds / grid.frame_seconds()))) {}

void RunningLoudness::reset() {
    std::fill(powers_.begin(), powers_.end(), 0.0f);
    next_ = 0;
}

float RunningLoudness::gain(float power) {
    if (power > faintest_) {
        powers_[next_] = power;
        next_ = (next_ + 1) % powers_.size();
    }
    const float loudest = *std::max_element(powers_.begin(), powers_.end());
    if (loudest == 0) return 1;
    double sum = 0;
    int count = 0;
    for (const float heard : powers_)
        if (heard >= loudest * gate_) sum += heard, ++count;
    return static_cast<float>(known_power_ / (sum / count));
}

}  // namespace stems
