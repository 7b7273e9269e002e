#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "DistrhoPlugin.hpp"
#include "exchange.hpp"
#include "frozen_clusters.hpp"
#include "model.hpp"
#include "parameters.hpp"
#include "picture.hpp"

START_NAMESPACE_DISTRHO

/// Faders for the stems of what comes in. All that is done on the audio thread is `run`.
class StemsPlugin : public Plugin {
public:
    StemsPlugin();

    const stems::Picture& picture() const { return picture_; }
    /// Why the last model that was chosen is not used, or nothing.
    std::string message() const;
    std::string model_name() const;

protected:
    const char* getLabel() const override;
    const char* getDescription() const override;
    const char* getMaker() const override;
    const char* getLicense() const override;
    uint32_t getVersion() const override;
    int64_t getUniqueId() const override;
    void initAudioPort(bool input, uint32_t index, AudioPort& port) override;
    void initPortGroup(uint32_t group, PortGroup& port_group) override;
    void initParameter(uint32_t index, Parameter& parameter) override;
    void initState(uint32_t index, State& state) override;
    float getParameterValue(uint32_t index) const override;
    void setParameterValue(uint32_t index, float value) override;
    String getState(const char* key) const override;
    void setState(const char* key, const char* value) override;
    void activate() override;
    void sampleRateChanged(double sample_rate) override;
    void run(const float** inputs, float** outputs, uint32_t frames) override;

private:
    void open_model(const std::string& path);
    void open_clusters(const std::string& text);
    void make_stream(const stems::Model& model);
    void apply_parameters();
    void keep_clusters();
    void run_piece(const float** inputs, float** outputs, uint32_t first, uint32_t samples);

    /// Whether the clusters rest; a session that keeps where they do says so itself only when all else is restored.
    bool is_frozen() const { return values_[stems::FREEZE] > 0.5f || restoring_; }

    std::array<std::atomic<float>, stems::PARAMETERS> values_{};
    std::atomic<bool> restoring_{false};
    stems::Exchange exchange_;
    stems::FrozenClusters clusters_;
    std::unique_ptr<stems::Model> model_;
    std::string model_path_, message_;
    mutable std::mutex model_mutex_;  // between the host's threads; the audio thread never looks at the model
    stems::Picture picture_;
    long long pictured_frames_ = -1;
    float bypass_ = 0;  // from 0, the mix, to 1, what came in
    std::array<std::vector<float>, STEMS_CHANNELS> mixture_;
    std::array<std::vector<float>, STEMS_CHANNELS * STEMS_MIXES> mixes_;
};

END_NAMESPACE_DISTRHO
