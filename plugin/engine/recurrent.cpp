#include "recurrent.hpp"

#include <algorithm>

namespace stems {
namespace {

/// Gates from one of the two things that an LSTM hears; the biases of both are added up in the first.
Matrix gates_from(const Weights& weights, const std::string& name, const std::string& from, const std::string& suffix,
                  int size, int units, bool biased) {
    const std::vector<float>& weight = weights.get(name + ".weight_" + from + "_" + suffix, {4 * units, size});
    std::vector<float> turned(weight.size()), bias;
    for (int row = 0; row < size; ++row)
        for (int gate = 0; gate < 4 * units; ++gate)
            turned[static_cast<std::size_t>(row) * 4 * units + gate] = weight[static_cast<std::size_t>(gate) * size + row];
    if (biased) {
        bias = weights.get(name + ".bias_ih_" + suffix, {4 * units});
        const std::vector<float>& other = weights.get(name + ".bias_hh_" + suffix, {4 * units});
        for (int gate = 0; gate < 4 * units; ++gate) bias[gate] += other[gate];
    }
    return Matrix(turned, bias, size, 4 * units);
}

class Stack : public Recurrent {
public:
    Stack(const Weights& weights, const NetworkShape& shape, int features) {
        for (int layer = 0; layer < shape.layers; ++layer)
            layers_.emplace_back(weights, "network.recurrent.lstm", "l" + std::to_string(layer), layer ? shape.units : features,
                                 shape.units, 1);
    }

    void reset() override {
        for (Lstm& layer : layers_) layer.reset();
    }

    Steps steps(const float* features) override {
        Steps steps;
        for (Lstm& layer : layers_) {
            steps.push_back({layer.cost(), [&layer, features] { layer.step(features, 0); }});
            features = layer.outputs();
        }
        return steps;
    }

    const float* hidden() const override { return layers_.back().outputs(); }

private:
    std::vector<Lstm> layers_;
};

class Norm {
public:
    Norm(const Weights& weights, const std::string& name, int width)
        : width_(width), scale_(weights.get(name + ".weight", {width})), shift_(weights.get(name + ".bias", {width})) {}

    void apply(const float* in, float* out, int lines) const {
        for (int line = 0; line < lines; ++line, in += width_, out += width_)
            kernels().normalise(in, scale_.data(), shift_.data(), out, width_);
    }

private:
    int width_;
    std::vector<float> scale_, shift_;
};

/// An LSTM along time, whose output is added to the lines that it heard.
struct TimePath {
    Norm norm;
    Lstm forward;
    Matrix out;

    TimePath(const Weights& weights, const std::string& name, const NetworkShape& shape)
        : norm(weights, name + ".norm", shape.width),
          forward(weights, name + ".recurrent", "l0", shape.width, shape.units, shape.groups),
          out(weights.linear(name + ".out", shape.units, shape.width)) {}
};

/// The same along the groups of a frame, in both directions.
struct BandPath {
    Norm norm;
    Lstm forward, backward;
    Matrix out;

    BandPath(const Weights& weights, const std::string& name, const NetworkShape& shape)
        : norm(weights, name + ".norm", shape.width),
          forward(weights, name + ".recurrent", "l0", shape.width, shape.units, shape.groups),
          backward(weights, name + ".recurrent", "l0_reverse", shape.width, shape.units, shape.groups),
          out(weights.linear(name + ".out", 2 * shape.units, shape.width)) {}
};

/// A linear layer for each group of bands.
std::vector<Matrix> grouped(const Weights& weights, const std::string& name, int groups, int rows, int columns) {
    const std::vector<float>& weight = weights.get(name + ".weight", {groups, rows, columns});
    const std::vector<float>& bias = weights.get(name + ".bias", {groups, 1, columns});
    std::vector<Matrix> matrices;
    for (int group = 0; group < groups; ++group) {
        const auto first = weight.begin() + static_cast<std::ptrdiff_t>(group) * rows * columns;
        const auto bias_first = bias.begin() + static_cast<std::ptrdiff_t>(group) * columns;
        matrices.emplace_back(std::vector<float>(first, first + static_cast<std::ptrdiff_t>(rows) * columns),
                              std::vector<float>(bias_first, bias_first + columns), rows, columns);
    }
    return matrices;
}

class DualPath : public Recurrent {
public:
    DualPath(const Weights& weights, const NetworkShape& shape, int features, int queries)
        : groups_(shape.groups), width_(shape.width), units_(shape.units), group_bands_(shape.bands / shape.groups),
          kinds_(features / shape.bands), said_(queries * group_bands_),
          project_in_(grouped(weights, "network.recurrent.input_projection", groups_, kinds_ * group_bands_, width_)),
          project_out_(grouped(weights, "network.recurrent.output_projection", groups_, width_, said_)),
          norm_(weights, "network.recurrent.norm", width_), line_(std::max(kinds_ * group_bands_, 2 * units_)),
          frame_(static_cast<std::size_t>(groups_) * width_), normed_(frame_),
          both_(static_cast<std::size_t>(groups_) * 2 * units_), said_out_(project_out_[0].padded()),
          hidden_(static_cast<std::size_t>(groups_) * said_) {
        for (int layer = 0; layer < shape.layers; ++layer) {
            const std::string number = std::to_string(layer);
            time_paths_.emplace_back(weights, "network.recurrent.time_paths." + number, shape);
            band_paths_.emplace_back(weights, "network.recurrent.band_paths." + number, shape);
        }
        const int padded = std::max(project_in_[0].padded(), time_paths_[0].out.padded());
        added_.resize(static_cast<std::size_t>(groups_) * padded);
    }

    void reset() override {
        for (TimePath& path : time_paths_) path.forward.reset();
    }

    Steps steps(const float* features) override {
        Steps steps;
        steps.push_back({groups_ * project_in_[0].cost(1), [this, features] { enter(features); }});
        for (std::size_t layer = 0; layer < time_paths_.size(); ++layer) {
            TimePath& time = time_paths_[layer];
            BandPath& band = band_paths_[layer];
            steps.push_back({time.forward.cost() + time.out.cost(groups_), [this, &time] { run(time); }});
            steps.push_back({band.forward.cost(), [this, &band] {
                                 band.norm.apply(frame_.data(), normed_.data(), groups_);
                                 band.forward.run_along(normed_.data(), width_, false);
                             }});
            steps.push_back({band.backward.cost() + band.out.cost(groups_), [this, &band] { run(band); }});
        }
        steps.push_back({groups_ * project_out_[0].cost(1), [this] { leave(); }});
        return steps;
    }

    const float* hidden() const override { return hidden_.data(); }

private:
    void enter(const float* features) {
        for (int group = 0; group < groups_; ++group) {
            for (int kind = 0; kind < kinds_; ++kind)
                std::copy_n(features + (static_cast<std::size_t>(kind) * groups_ + group) * group_bands_, group_bands_,
                            &line_[static_cast<std::size_t>(kind) * group_bands_]);
            project_in_[group].apply(line_.data(), {1, 0, 0}, added_.data());
            std::copy_n(added_.data(), width_, &frame_[static_cast<std::size_t>(group) * width_]);
        }
    }

    void run(TimePath& path) {
        path.norm.apply(frame_.data(), normed_.data(), groups_);
        path.forward.step(normed_.data(), width_);
        add(path.out, path.forward.outputs(), units_);
    }

    void run(BandPath& path) {
        path.backward.run_along(normed_.data(), width_, true);
        for (int group = 0; group < groups_; ++group) {
            float* line = &both_[static_cast<std::size_t>(group) * 2 * units_];
            std::copy_n(path.forward.outputs() + static_cast<std::size_t>(group) * units_, units_, line);
            std::copy_n(path.backward.outputs() + static_cast<std::size_t>(group) * units_, units_, line + units_);
        }
        add(path.out, both_.data(), 2 * units_);
    }

    void add(const Matrix& out, const float* lines, int stride) {
        out.apply(lines, {groups_, stride, out.padded()}, added_.data());
        for (int group = 0; group < groups_; ++group)
            kernels().add(&added_[static_cast<std::size_t>(group) * out.padded()],
                          &frame_[static_cast<std::size_t>(group) * width_], width_);
    }

    void leave() {
        norm_.apply(frame_.data(), normed_.data(), groups_);
        for (int group = 0; group < groups_; ++group) {
            project_out_[group].apply(&normed_[static_cast<std::size_t>(group) * width_], {1, 0, 0}, said_out_.data());
            std::copy_n(said_out_.data(), said_, &hidden_[static_cast<std::size_t>(group) * said_]);
        }
    }

    int groups_, width_, units_, group_bands_, kinds_, said_;
    std::vector<Matrix> project_in_, project_out_;
    std::vector<TimePath> time_paths_;
    std::vector<BandPath> band_paths_;
    Norm norm_;
    std::vector<float> line_, frame_, normed_, both_, said_out_, hidden_, added_;
};

}  // namespace

Lstm::Lstm(const Weights& weights, const std::string& name, const std::string& suffix, int size, int units, int lines)
    : units_(units), lines_(lines), below_(gates_from(weights, name, "ih", suffix, size, units, true)),
      before_(gates_from(weights, name, "hh", suffix, units, units, false)),
      gates_(static_cast<std::size_t>(lines) * below_.padded()), outputs_(static_cast<std::size_t>(lines) * units),
      cells_(outputs_) {}

void Lstm::reset() {
    std::fill(outputs_.begin(), outputs_.end(), 0.0f);
    std::fill(cells_.begin(), cells_.end(), 0.0f);
}

void Lstm::step(const float* below, int stride) {
    below_.apply(below, {lines_, stride, below_.padded()}, gates_.data());
    before_.add(outputs_.data(), {lines_, units_, below_.padded()}, gates_.data());
    for (int line = 0; line < lines_; ++line) {
        const std::size_t place = static_cast<std::size_t>(line) * units_;
        kernels().lstm(&gates_[static_cast<std::size_t>(line) * below_.padded()], units_, &outputs_[place], &cells_[place]);
    }
}

void Lstm::run_along(const float* below, int stride, bool backward) {
    below_.apply(below, {lines_, stride, below_.padded()}, gates_.data());
    std::fill_n(cells_.begin(), units_, 0.0f);
    for (int turn = 0; turn < lines_; ++turn) {
        const int line = backward ? lines_ - 1 - turn : turn, before = backward ? line + 1 : line - 1;
        float* gates = &gates_[static_cast<std::size_t>(line) * below_.padded()];
        if (turn) before_.add(&outputs_[static_cast<std::size_t>(before) * units_], {1, 0, 0}, gates);
        kernels().lstm(gates, units_, &outputs_[static_cast<std::size_t>(line) * units_], cells_.data());
    }
}

std::unique_ptr<Recurrent> make_stack(const Weights& weights, const NetworkShape& shape, int features) {
    return std::make_unique<Stack>(weights, shape, features);
}

std::unique_ptr<Recurrent> make_dual_path(const Weights& weights, const NetworkShape& shape, int features, int queries) {
    return std::make_unique<DualPath>(weights, shape, features, queries);
}

}  // namespace stems
