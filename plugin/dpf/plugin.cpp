// The plugin that hosts load: parameters, state and latency around the engine's stream.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>

#include "DistrhoPlugin.hpp"
#include "DistrhoPluginUtils.hpp"
#include "error.hpp"
#include "plugin.hpp"

START_NAMESPACE_DISTRHO

using namespace stems;

namespace {

constexpr double BYPASS_SECONDS = 0.01;  // that it takes to fade between bypass and the mix

bool is_there(const std::string& path) {
    FILE* file = std::fopen(path.c_str(), "rb");
    if (file) std::fclose(file);
    return file != nullptr;
}

/// The weights that lie beside the plugin: in its bundle, or in the folder of a plugin that is one file.
std::string shipped_model() {
    const std::string binary = getBinaryFilename();
    const std::string folder = binary.substr(0, binary.find_last_of("/\\") + 1);
    for (const char* place : {"", "../Resources/"}) {
        const std::string path = folder + place + "openband-live.safetensors";
        if (is_there(path)) return path;
    }
    return folder + "openband-live.safetensors";
}

/// The fader of a model's stem: that of its name, or "other".
int fader_of(const std::string& stem) {
    for (int fader = 0; fader < STEMS; ++fader)
        if (stem == STEM_NAMES[fader]) return fader;
    return STEMS - 1;
}

}  // namespace

StemsPlugin::StemsPlugin() : Plugin(PARAMETERS, 0, 2), exchange_(STEMS_CHANNELS, STEMS_MIXES) {
    for (int index = 0; index < PARAMETERS; ++index) values_[index] = PARAMETER_INFO[index].standard;
    for (auto& line : mixture_) line.resize(Exchange::LONGEST);
    for (auto& line : mixes_) line.resize(Exchange::LONGEST);
    if (isDummyInstance()) return;
    open_model("");
    activate();
}

std::string StemsPlugin::message() const {
    const std::lock_guard<std::mutex> lock(model_mutex_);
    return message_;
}

std::string StemsPlugin::model_name() const {
    const std::lock_guard<std::mutex> lock(model_mutex_);
    return model_ ? model_->card.name : "";
}

void StemsPlugin::open_model(const std::string& path) {
    const std::lock_guard<std::mutex> lock(model_mutex_);
    try {
        auto model = std::make_unique<Model>(Model::load(path.empty() ? shipped_model() : path));
        make_stream(*model);
        model_ = std::move(model);
        model_path_ = path;
        message_ = "";
    } catch (const std::exception& error) {  // what was there before goes on
        if (model_path_.empty() || !is_there(path)) model_path_ = path;  // on a drive that is away, say, to be kept
        message_ = error.what();
        d_stderr("Stems: %s", error.what());
    }
}

void StemsPlugin::open_clusters(const std::string& text) {
    restoring_ = !text.empty();
    clusters_.read(text);
    const std::lock_guard<std::mutex> lock(model_mutex_);
    if (model_ && !clusters_.of(*model_).empty()) make_stream(*model_);
}

void StemsPlugin::make_stream(const Model& model) {
    std::vector<int> faders;
    for (const std::string& stem : model.card.stems) faders.push_back(fader_of(stem));
    auto stream = std::make_unique<FadedStream>(model, getSampleRate(), STEMS_CHANNELS, STEMS_MIXES, faders);
    const std::vector<float> clusters = clusters_.of(model);
    if (!clusters.empty()) stream->freeze_at(clusters.data());
    exchange_.offer(std::move(stream));
}

const char* StemsPlugin::getLabel() const { return STEMS_PLUGIN_SYMBOL; }
const char* StemsPlugin::getDescription() const { return "Faders for the drums, bass, vocals and the rest of a mix."; }
const char* StemsPlugin::getMaker() const { return "openband"; }
const char* StemsPlugin::getLicense() const { return "GPL-3.0-or-later"; }
uint32_t StemsPlugin::getVersion() const { return d_version(0, 1, 0); }
int64_t StemsPlugin::getUniqueId() const { return d_cconst('O', 'b', 'S', STEMS_MIXES > 1 ? 'x' : '0' + STEMS_CHANNELS); }

void StemsPlugin::initAudioPort(bool input, uint32_t index, AudioPort& port) {
    const uint32_t mix = index / STEMS_CHANNELS;
    const char* sides[] = {" Left", " Right"};
    const std::string title = input ? "Input" : mix == 0 ? "Mix" : STEM_TITLES[mix - 1];
    const std::string symbol = input ? "in" : mix == 0 ? "out" : STEM_NAMES[mix - 1];
    port.name = (title + (STEMS_CHANNELS > 1 ? sides[index % STEMS_CHANNELS] : "")).c_str();
    port.symbol = (symbol + "_" + std::to_string(index % STEMS_CHANNELS + 1)).c_str();
    if (STEMS_MIXES > 1)
        port.groupId = input || mix == 0 ? static_cast<uint32_t>(kPortGroupStereo) : mix - 1;
    else
        port.groupId = STEMS_CHANNELS > 1 ? kPortGroupStereo : kPortGroupMono;
}

void StemsPlugin::initPortGroup(uint32_t group, PortGroup& port_group) {
    if (group >= STEMS) return Plugin::initPortGroup(group, port_group);
    port_group.name = STEM_TITLES[group];
    port_group.symbol = (std::string("group_") + STEM_NAMES[group]).c_str();
}

void StemsPlugin::initParameter(uint32_t index, Parameter& parameter) {
    const ParameterInfo& info = PARAMETER_INFO[index];
    if (index == BYPASS) return parameter.initDesignation(kParameterDesignationBypass);
    parameter.hints = kParameterIsAutomatable;
    if (info.toggle) parameter.hints |= kParameterIsBoolean | kParameterIsInteger;
    if (info.logarithmic) parameter.hints |= kParameterIsLogarithmic;
    parameter.name = info.name;
    parameter.symbol = (std::string("p_") + info.symbol).c_str();
    parameter.unit = info.unit;
    parameter.description = info.description;
    parameter.ranges = ParameterRanges(info.standard, info.lowest, info.highest);
    if (index < FADER + STEMS) {
        parameter.enumValues.count = 1;
        parameter.enumValues.values = new ParameterEnumerationValue[1]{{SILENT_DB, "-inf"}};
    }
}

void StemsPlugin::initState(uint32_t index, State& state) {
    const bool is_model = index == 0;
    state.hints = kStateIsHostWritable;  // as an LV2 path, no path at all would come back as one to the session
    state.key = is_model ? MODEL_KEY : CLUSTERS_KEY;
    state.label = is_model ? "Model" : "Clusters";
    state.defaultValue = "";
    state.description = is_model ? "A .safetensors file with its card beside it; the shipped weights if there is none."
                                 : "Where the clusters are frozen.";
}

float StemsPlugin::getParameterValue(uint32_t index) const { return values_[index].load(std::memory_order_relaxed); }

void StemsPlugin::setParameterValue(uint32_t index, float value) {
    const ParameterInfo& info = PARAMETER_INFO[index];
    if (index == FREEZE) restoring_ = false;
    if (!std::isnan(value)) values_[index].store(std::clamp(value, info.lowest, info.highest), std::memory_order_relaxed);
}

String StemsPlugin::getState(const char* key) const {
    if (std::strcmp(key, CLUSTERS_KEY) == 0) return String(clusters_.text().c_str());
    const std::lock_guard<std::mutex> lock(model_mutex_);
    return String(std::strcmp(key, MODEL_KEY) == 0 ? model_path_.c_str() : "");
}

void StemsPlugin::setState(const char* key, const char* value) {
    if (std::strcmp(key, MODEL_KEY) == 0 && (getState(key) != value || !message().empty())) open_model(value);
    if (std::strcmp(key, CLUSTERS_KEY) == 0) open_clusters(value);
}

void StemsPlugin::activate() {
    exchange_.settle();
    bypass_ = values_[BYPASS] > 0.5f ? 1.0f : 0.0f;
    if (const Stream* stream = exchange_.current()) setLatency(static_cast<uint32_t>(stream->latency()));
}

void StemsPlugin::sampleRateChanged(double) {
    const std::lock_guard<std::mutex> lock(model_mutex_);
    if (!model_) return;
    try {
        make_stream(*model_);
    } catch (const std::exception& error) {
        message_ = error.what();
    }
    activate();
}

void StemsPlugin::apply_parameters() {
    float values[PARAMETERS], gains[STEMS];
    for (int index = 0; index < PARAMETERS; ++index) values[index] = values_[index].load(std::memory_order_relaxed);
    fader_gains(values, gains);
    exchange_.for_all([&](FadedStream& stream) {
        stream.set_sensitivity(values[SENSITIVITY]);
        stream.set_follow_seconds(is_frozen() ? 0 : values[FOLLOW]);
        for (int mix = 0; mix < STEMS_MIXES; ++mix)
            for (int stem = 0; stem < stream.stems(); ++stem) {
                const int fader = stream.faders[stem];
                stream.gains()[mix * stream.stems() + stem] = mix == 0 ? gains[fader] : fader == mix - 1 ? 1.0f : 0.0f;
            }
    });
}

void StemsPlugin::run(const float** inputs, float** outputs, uint32_t frames) {
    apply_parameters();
    for (uint32_t first = 0; first < frames; first += Exchange::LONGEST)
        run_piece(inputs, outputs, first, std::min<uint32_t>(frames - first, Exchange::LONGEST));
    keep_clusters();
    if (const FadedStream* stream = exchange_.current()) {
        setLatency(static_cast<uint32_t>(stream->latency()));
        if (stream->frames_done() != pictured_frames_) picture_.take(*stream, stream->faders);
        pictured_frames_ = stream->frames_done();
    }
}

void StemsPlugin::keep_clusters() {
    const FadedStream* stream = exchange_.current();
    if (!is_frozen())
        clusters_.forget();
    else if (stream && !exchange_.is_changing())
        clusters_.set(stream->model, stream->centroids(), stream->size);
}

void StemsPlugin::run_piece(const float** inputs, float** outputs, uint32_t first, uint32_t samples) {
    const float* given[STEMS_CHANNELS];
    float *mixture[STEMS_CHANNELS], *mixes[STEMS_CHANNELS * STEMS_MIXES];
    for (int channel = 0; channel < STEMS_CHANNELS; ++channel) {
        given[channel] = inputs[channel] + first;
        mixture[channel] = mixture_[channel].data();
    }
    for (int line = 0; line < STEMS_CHANNELS * STEMS_MIXES; ++line) mixes[line] = mixes_[line].data();
    exchange_.run(given, mixture, mixes, static_cast<int>(samples));
    const float target = values_[BYPASS] > 0.5f ? 1.0f : 0.0f;
    const float step = static_cast<float>(1 / (BYPASS_SECONDS * getSampleRate()));
    for (uint32_t i = 0; i < samples; ++i) {
        bypass_ += std::clamp(target - bypass_, -step, step);
        for (int line = 0; line < STEMS_CHANNELS * STEMS_MIXES; ++line) {
            const float passed = line < STEMS_CHANNELS ? mixture[line][i] : 0.0f;
            const float mixed = mixes[line][i] + bypass_ * (passed - mixes[line][i]);
            outputs[line][first + i] = bypass_ == 1 ? passed : mixed;
        }
    }
}

Plugin* createPlugin() { return new StemsPlugin(); }

END_NAMESPACE_DISTRHO
