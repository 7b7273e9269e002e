#pragma once

#include <memory>
#include <string>
#include <vector>

#include "model.hpp"
#include "step.hpp"

namespace stems {

/// One direction of a layer of an LSTM over lines of numbers, as torch's equations have it.
class Lstm {
public:
    /// name, suffix: its weights are `name.weight_ih_SUFFIX` and so on.
    Lstm(const Weights& weights, const std::string& name, const std::string& suffix, int size, int units, int lines);

    void reset();
    /// One step of all lines along time: (lines, stride) -> outputs().
    void step(const float* below, int stride);
    /// All lines one after the other, as one sequence of its own; backward hears the last first.
    void run_along(const float* below, int stride, bool backward);
    /// (lines, units)
    const float* outputs() const { return outputs_.data(); }
    double cost() const { return below_.cost(lines_) + before_.cost(lines_); }

private:
    int units_, lines_;
    Matrix below_, before_;
    std::vector<float> gates_, outputs_, cells_;
};

/// Layers that make of the features of a frame what is known of it after all that came before.
class Recurrent {
public:
    virtual ~Recurrent() = default;
    virtual void reset() = 0;
    /// features: (features,), which is read when the steps run.
    virtual Steps steps(const float* features) = 0;
    /// (hidden size,), what the last step left.
    virtual const float* hidden() const = 0;
};

/// Layers that are given whole frames; see `stems.recurrent` in Python.
std::unique_ptr<Recurrent> make_stack(const Weights& weights, const NetworkShape& shape, int features);

/// Paths along time and along groups of bands; `queries` are said of each band in the end.
std::unique_ptr<Recurrent> make_dual_path(const Weights& weights, const NetworkShape& shape, int features, int queries);

}  // namespace stems
