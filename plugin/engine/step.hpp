#pragma once

#include <functional>
#include <vector>

namespace stems {

/// A part of the work on a frame, so that it can be spread over the time until the next one.
struct Step {
    double cost;  // about how long it takes, in multiplications
    std::function<void()> run;
};

using Steps = std::vector<Step>;

}  // namespace stems
