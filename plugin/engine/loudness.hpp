#pragma once

#include <vector>

#include "grid.hpp"

namespace stems {

/// Root mean square of the last seconds that sound, in place of a whole song's, which a stream cannot know.
class RunningLoudness {
public:
    /// known: root mean square to which hops are brought.
    RunningLoudness(double known, const Grid& grid);

    void reset();
    /// The power gain that brings a hop to the level that the network knows, given the mean power of its samples.
    float gain(float power);

private:
    float known_power_;
    std::vector<float> powers_;
    std::size_t next_ = 0;
};

}  // namespace stems
