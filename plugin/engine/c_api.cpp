#include "c_api.h"

#include <algorithm>
#include <complex>
#include <exception>
#include <string>

#include "error.hpp"
#include "stream.hpp"

struct stems_model {
    stems::Model model;
};

struct stems_stream {
    stems::Stream stream;
};

namespace {

thread_local std::string reason;

template <typename Make>
auto guarded(Make make) -> decltype(make()) {
    try {
        return make();
    } catch (const std::exception& error) {
        reason = error.what();
        return nullptr;
    }
}

}  // namespace

const char* stems_error() { return reason.c_str(); }

const char* stems_kernels() { return stems::kernels().name; }

int stems_use_kernels(const char* name) { return stems::use_kernels(name); }

stems_model* stems_model_load(const char* path) {
    return guarded([&] { return new stems_model{stems::Model::load(path)}; });
}

stems_model* stems_model_parse(const char* content, long long size, const char* card, long long card_size) {
    return guarded([&] {
        return new stems_model{stems::Model::parse("The model", std::string(content, static_cast<std::size_t>(size)),
                                                   std::string(card, static_cast<std::size_t>(card_size)))};
    });
}

void stems_model_free(stems_model* model) { delete model; }

int stems_model_bins(const stems_model* model, double sample_rate, int* band_of_bin) {
    const stems::Grid grid = model->model.card.bands.grid(sample_rate);
    if (band_of_bin) {
        const std::vector<int> bands = model->model.card.bands.of_bins(grid);
        std::copy(bands.begin(), bands.end(), band_of_bin);
    }
    return grid.bins;
}

const stems_model* stems_model_embed(const stems_model* model, const float* levels, int frames, float* embeddings) {
    return guarded([&] {
        stems::Network network(model->model);
        const stems::Steps steps = network.steps();
        const stems::NetworkShape& shape = model->model.card.network;
        for (int frame = 0; frame < frames; ++frame) {
            std::copy_n(levels + 2 * shape.bands * frame, 2 * shape.bands, network.levels());
            for (const stems::Step& step : steps) step.run();
            const int size = shape.bands * shape.dimensions;
            std::copy_n(network.embeddings(), size, embeddings + size * frame);
        }
        return model;
    });
}

stems_stream* stems_stream_new(const stems_model* model, double sample_rate, int channels, int mixes, int spread) {
    return guarded([&] { return new stems_stream{{model->model, sample_rate, channels, mixes, spread}}; });
}

void stems_stream_free(stems_stream* stream) { delete stream; }

void stems_stream_reset(stems_stream* stream) { stream->stream.reset(); }

int stems_stream_latency(const stems_stream* stream) { return stream->stream.latency(); }

double stems_stream_work_done(const stems_stream* stream) { return stream->stream.work_done(); }

void stems_stream_set(stems_stream* stream, float sensitivity, double follow_seconds, const float* gains) {
    stream->stream.set_sensitivity(sensitivity);
    stream->stream.set_follow_seconds(follow_seconds);
    std::copy_n(gains, stream->stream.mixes() * stream->stream.stems(), stream->stream.gains());
}

void stems_stream_run(stems_stream* stream, const float* const* input, float* const* mixture, float* const* mixes,
                      int samples) {
    stream->stream.run(input, mixture, mixes, samples);
}

void stems_fourier(float* signal, int length, float* spectrum) {
    stems::Fourier fourier(length);
    auto* bins = reinterpret_cast<std::complex<float>*>(spectrum);
    fourier.forward(signal, bins);
    fourier.inverse(bins, signal);
}
