#include "stream.hpp"

#include <algorithm>
#include <cmath>

#include "denormals.hpp"
#include "error.hpp"

namespace stems {
namespace {

constexpr float LARGEST = 1e6f;      // a block with samples beyond +120 dBFS is no audio
constexpr float SMALLEST = 1e-15f;   // fainter samples become zero
constexpr double REST_SECONDS = 1;   // of digital silence, after which the network rests: its memory would drift otherwise

Grid checked_grid(double sample_rate, const Bands& bands) {
    if (!(sample_rate >= 8000 && sample_rate <= 192000))
        throw ModelError("The sample rate must be from 8000 to 192000 Hz.");
    return bands.grid(sample_rate);
}

bool is_audio(const float* const* input, int channels, int samples) {
    for (int channel = 0; channel < channels; ++channel)
        for (int i = 0; i < samples; ++i)
            if (!(std::fabs(input[channel][i]) <= LARGEST)) return false;  // NaN compares as false
    return true;
}

}  // namespace

Stream::Stream(const Model& model, double sample_rate, int channels, int mixes, int spread)
    : grid_(checked_grid(sample_rate, model.card.bands)), windows_(make_windows(grid_)),
      channels_(channels), mixes_(mixes), stems_(static_cast<int>(model.card.stems.size())), bands_(model.card.bands.count),
      spread_(spread == WHOLE_HOP ? grid_.hop : std::clamp(spread, 0, grid_.hop)),
      rest_hops_(static_cast<int>(std::ceil(REST_SECONDS / grid_.frame_seconds()))), kappa_(model.kappa),
      band_of_bin_(model.card.bands.of_bins(grid_)), widths_(model.card.bands.widths(grid_)),
      gains_(static_cast<std::size_t>(mixes) * stems_), network_(model), loudness_(model.card.loudness, grid_),
      centroids_(model, grid_), fourier_(grid_.window),
      overlaps_(static_cast<std::size_t>(mixes) * channels, OverlapAdd(windows_.synthesis, grid_.hop)),
      history_(channels, std::vector<float>(grid_.window)), delayed_(channels, std::vector<float>(latency() + grid_.hop)),
      ready_(overlaps_.size(), std::vector<float>(2 * static_cast<std::size_t>(grid_.hop))), frame_gains_(gains_),
      powers_(bands_), stem_powers_(stems_), mask_(bands_), signal_(grid_.window),
      frames_(channels, std::vector<float>(grid_.window)),
      spectra_(channels, std::vector<std::complex<float>>(grid_.bins)), masked_(grid_.bins) {
    for (int mix = 0; mix < mixes_ && mix < stems_; ++mix) gains_[static_cast<std::size_t>(mix) * stems_ + mix] = 1;
    plan();
    reset();
}

void Stream::plan() {
    const double transform = fourier_.cost();
    for (int channel = 0; channel < channels_; ++channel)
        steps_.push_back(unless(frame_silent_, {transform, [this, channel] {
                                                    fourier_.forward(frames_[channel].data(), spectra_[channel].data());
                                                }}));
    steps_.push_back(unless(frame_rests_, {8.0 * grid_.bins, [this] { analyse(); }}));
    for (Step& step : network_.steps()) steps_.push_back(unless(frame_rests_, std::move(step)));
    steps_.push_back(unless(frame_rests_, {centroids_.cost(), [this] { follow(); }}));
    for (int mix = 0; mix < mixes_; ++mix)
        for (int channel = 0; channel < channels_; ++channel) {
            steps_.push_back(unless(frame_silent_, {transform, [this, mix, channel] { synthesise(mix, channel); }}));
            steps_.push_back({0, [this, mix, channel] { finish(mix, channel); }});
        }
    for (const Step& step : steps_) total_cost_ += step.cost;
    next_step_ = steps_.size();
}

Step Stream::unless(const bool& idle, Step step) {
    const double cost = step.cost;
    return {cost, [this, &idle, step = std::move(step)] {
                if (idle) return;
                work_done_ += step.cost;
                step.run();
            }};
}

void Stream::reset() {
    network_.reset();
    loudness_.reset();
    centroids_.reset();
    for (OverlapAdd& overlap : overlaps_) overlap.reset();
    for (auto* lines : {&history_, &delayed_, &ready_})
        for (std::vector<float>& line : *lines) std::fill(line.begin(), line.end(), 0.0f);
    std::fill(powers_.begin(), powers_.end(), 0.0f);
    std::fill(stem_powers_.begin(), stem_powers_.end(), 0.0f);
    next_step_ = steps_.size();
    heard_ = frames_done_ = 0;
    work_done_ = 0;
    silent_hops_ = grid_.window / grid_.hop - 1;
    delayed_place_ = 0;
}

void Stream::freeze_at(const float* centroids) {
    centroids_.set_follow_seconds(0);
    centroids_.place(centroids);
}

void Stream::run(const float* const* input, float* const* mixture, float* const* mixes, int samples) {
    const NoDenormals while_running;
    const bool silent = !is_audio(input, channels_, samples);
    for (int first = 0; first < samples;) {
        const int until_frame = grid_.hop - static_cast<int>(heard_ % grid_.hop);
        const int some = std::min(samples - first, until_frame);
        hear(input, first, some, silent);
        const long long since_frame = heard_ % grid_.hop;
        if (some == until_frame) start_frame();
        work_until(since_frame >= spread_ ? total_cost_ : total_cost_ * static_cast<double>(since_frame) / spread_);
        speak(mixture, mixes, first, some);
        first += some;
    }
}

void Stream::hear(const float* const* input, int first, int samples, bool silent) {
    const std::size_t place = grid_.window - grid_.hop + heard_ % grid_.hop;
    for (int channel = 0; channel < channels_; ++channel)
        for (int i = 0; i < samples; ++i) {
            const float sample = input[channel][first + i];
            history_[channel][place + i] = !silent && std::fabs(sample) >= SMALLEST ? sample : 0.0f;
            delayed_[channel][(delayed_place_ + i) % delayed_[channel].size()] = silent ? NAN : sample;
        }
    heard_ += samples;
}

void Stream::start_frame() {
    work_until(total_cost_);  // of the frame before
    double power = 0;
    for (int channel = 0; channel < channels_; ++channel) {
        std::vector<float>&history = history_[channel], &frame = frames_[channel];
        for (int i = grid_.window - grid_.hop; i < grid_.window; ++i) power += static_cast<double>(history[i]) * history[i];
        for (int i = 0; i < grid_.window; ++i) frame[i] = history[i] * windows_.analysis[i];
        std::copy(history.begin() + grid_.hop, history.end(), history.begin());
    }
    const int window_hops = grid_.window / grid_.hop, enough = window_hops + rest_hops_;
    silent_hops_ = power > 0 ? 0 : std::min(silent_hops_ + 1, enough);
    frame_silent_ = silent_hops_ >= window_hops;
    frame_rests_ = silent_hops_ >= enough;
    frame_gain_ = loudness_.gain(static_cast<float>(power / channels_ / grid_.hop));
    frame_gains_ = gains_;
    frame_sensitivity_ = sensitivity_;
    next_step_ = 0;
    done_cost_ = 0;
}

void Stream::work_until(double cost) {
    for (; next_step_ < steps_.size(); ++next_step_) {
        if (done_cost_ + steps_[next_step_].cost > cost && cost < total_cost_) return;
        done_cost_ += steps_[next_step_].cost;
        steps_[next_step_].run();
        if (next_step_ + 1 == steps_.size()) ++frames_done_;
    }
}

void Stream::analyse() {
    float* levels = network_.levels();
    std::fill_n(levels, 2 * bands_, 0.0f);
    if (!frame_silent_) {
        const std::complex<float>*left = spectra_.front().data(), *right = spectra_.back().data();
        for (int bin = 0; bin < grid_.bins; ++bin) {
            const int band = band_of_bin_[bin];
            levels[band] += std::norm((left[bin] + right[bin]) * 0.5f);
            levels[bands_ + band] += std::norm((left[bin] - right[bin]) * 0.5f);
        }
    }
    const float floor = std::pow(10.0f, FLOOR_DB / 10);
    for (int band = 0; band < bands_; ++band) {
        float &mid = levels[band], &side = levels[bands_ + band];
        powers_[band] = 2 * (mid + side) * frame_gain_;
        mid = 10 * std::log10(mid / widths_[band] * frame_gain_ + floor);
        side = 10 * std::log10(side / widths_[band] * frame_gain_ + floor);
    }
}

void Stream::follow() {
    centroids_.follow(network_.embeddings(), powers_.data(), kappa_ * frame_sensitivity_);
    const float* shares = centroids_.shares();
    for (int stem = 0; stem < stems_; ++stem) {
        float power = 0;
        for (int band = 0; band < bands_; ++band) power += shares[static_cast<std::size_t>(stem) * bands_ + band] * powers_[band];
        stem_powers_[stem] = power / frame_gain_ / 6;  // the window spreads a sine's power to 3/2; two channels
    }
}

void Stream::synthesise(int mix, int channel) {
    const float *gains = &frame_gains_[static_cast<std::size_t>(mix) * stems_], *shares = centroids_.shares();
    std::fill(mask_.begin(), mask_.end(), 0.0f);
    for (int stem = 0; stem < stems_; ++stem)
        for (int band = 0; band < bands_; ++band)
            mask_[band] += gains[stem] * shares[static_cast<std::size_t>(stem) * bands_ + band];
    for (int bin = 0; bin < grid_.bins; ++bin) masked_[bin] = spectra_[channel][bin] * mask_[band_of_bin_[bin]];
    fourier_.inverse(masked_.data(), signal_.data());
}

void Stream::finish(int mix, int channel) {
    const std::size_t line = static_cast<std::size_t>(mix) * channels_ + channel;
    const int beyond = grid_.window - static_cast<int>(windows_.synthesis.size());
    float* finished = &ready_[line][static_cast<std::size_t>(frames_done_ % 2) * grid_.hop];
    overlaps_[line].add(frame_silent_ ? nullptr : signal_.data() + beyond, finished);
}

void Stream::speak(float* const* mixture, float* const* mixes, int first, int samples) {
    const int length = static_cast<int>(delayed_[0].size()), hops = 2 * grid_.hop;
    const long long finished = heard_ - samples - (grid_.hop - 1 + spread_);  // of the samples that frames finished
    int place = (delayed_place_ + grid_.hop) % length;
    int mixed = static_cast<int>((finished % hops + hops) % hops);
    for (int i = first; i < first + samples; ++i) {
        const bool audible = !std::isnan(delayed_[0][place]);
        for (int channel = 0; channel < channels_; ++channel)
            mixture[channel][i] = audible ? delayed_[channel][place] : 0.0f;
        for (std::size_t line = 0; line < ready_.size(); ++line) mixes[line][i] = audible ? ready_[line][mixed] : 0.0f;
        place = place + 1 == length ? 0 : place + 1;
        mixed = mixed + 1 == hops ? 0 : mixed + 1;
    }
    delayed_place_ = (delayed_place_ + samples) % length;
}

}  // namespace stems
