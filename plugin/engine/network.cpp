#include "network.hpp"

#include <algorithm>
#include <cmath>

namespace stems {
namespace {

constexpr int READING = 32;  // units of the layer that reads texture by queries

}  // namespace

Network::Network(const Model& model)
    : shape_(model.card.network), scale_(model.weights.get("network.scale", {2 * shape_.bands})),
      shift_(model.weights.get("network.shift", {2 * shape_.bands})), levels_(2 * shape_.bands),
      embeddings_(static_cast<std::size_t>(shape_.bands) * shape_.dimensions) {
    const Weights& weights = model.weights;
    int features = 2 * shape_.bands;
    if (shape_.channels) {
        texture_ = std::make_unique<Texture>(weights, model.card);
        features += texture_->pooled_kinds() * (shape_.bands / texture_->pooled_bands());
    }
    features_.resize(features);
    const int queries = texture_ ? shape_.queries : shape_.dimensions;
    if (shape_.groups) {
        recurrent_ = make_dual_path(weights, shape_, features, queries);
    } else {
        recurrent_ = make_stack(weights, shape_, features);
        queries_ = weights.linear(texture_ ? "network.queries" : "network.embedding", shape_.units, shape_.bands * queries);
        queries_out_.resize(queries_.padded());
    }
    if (texture_) {
        reading_ = weights.linear("network.reading", shape_.queries + shape_.texture, READING);
        embedding_ = weights.linear("network.embedding", READING, shape_.dimensions);
        cells_.resize(static_cast<std::size_t>(shape_.bands) * reading_.rows());
        read_.resize(static_cast<std::size_t>(shape_.bands) * reading_.padded());
        placed_.resize(static_cast<std::size_t>(shape_.bands) * embedding_.padded());
    }
}

void Network::reset() {
    if (texture_) texture_->reset();
    recurrent_->reset();
}

Steps Network::steps() {
    Steps steps;
    const auto append = [&steps](Steps more) { std::move(more.begin(), more.end(), std::back_inserter(steps)); };
    steps.push_back({2.0 * shape_.bands, [this] { scale(); }});
    if (texture_) append(texture_->steps(levels_.data()));
    steps.push_back({static_cast<double>(features_.size()), [this] { gather(); }});
    append(recurrent_->steps(features_.data()));
    double cost = queries_.cost(1);
    if (texture_) cost += reading_.cost(shape_.bands) + embedding_.cost(shape_.bands);
    steps.push_back({cost, [this] { embed(); }});
    return steps;
}

void Network::scale() {
    for (int i = 0; i < 2 * shape_.bands; ++i) {
        levels_[i] = (levels_[i] - CENTRE_DB) / SPREAD_DB;
        features_[i] = levels_[i] * scale_[i] + shift_[i];
    }
}

void Network::gather() {
    if (!texture_) return;
    const int places = shape_.bands / texture_->pooled_bands(), kinds = texture_->pooled_kinds();
    for (int place = 0; place < places; ++place)
        for (int kind = 0; kind < kinds; ++kind)
            features_[2 * shape_.bands + kind * places + place] = texture_->pooled(place)[kind];
}

void Network::embed() {
    const float* queries = recurrent_->hidden();
    if (!shape_.groups) {
        queries_.apply(queries, {1, 0, 0}, queries_out_.data());
        queries = queries_out_.data();
    }
    if (!texture_) return normalise(queries, shape_.dimensions);
    const int rows = reading_.rows();
    for (int band = 0; band < shape_.bands; ++band) {
        float* cell = &cells_[static_cast<std::size_t>(band) * rows];
        std::copy_n(queries + static_cast<std::size_t>(band) * shape_.queries, shape_.queries, cell);
        std::copy_n(texture_->kept(band), shape_.texture, cell + shape_.queries);
    }
    reading_.apply(cells_.data(), {shape_.bands, rows, reading_.padded()}, read_.data());
    kernels().relu(read_.data(), read_.data(), static_cast<int>(read_.size()));
    embedding_.apply(read_.data(), {shape_.bands, reading_.padded(), embedding_.padded()}, placed_.data());
    normalise(placed_.data(), embedding_.padded());
}

void Network::normalise(const float* in, int stride) {
    float* out = embeddings_.data();
    for (int band = 0; band < shape_.bands; ++band, in += stride, out += shape_.dimensions) {
        float square = 0;
        for (int i = 0; i < shape_.dimensions; ++i) square += in[i] * in[i];
        const float factor = 1.0f / std::max(std::sqrt(square), 1e-12f);
        for (int i = 0; i < shape_.dimensions; ++i) out[i] = in[i] * factor;
    }
}

}  // namespace stems
