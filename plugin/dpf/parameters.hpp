/// What a host may set, and how it is called there.
#pragma once

#include <cmath>

namespace stems {

constexpr int STEMS = 4;  // that have a fader
constexpr const char* STEM_NAMES[STEMS] = {"drums", "bass", "vocals", "other"};
constexpr const char* STEM_TITLES[STEMS] = {"Drums", "Bass", "Vocals", "Other"};
constexpr const char* MODEL_KEY = "model";  // of the state: path of a `.safetensors` file, empty for the shipped one
constexpr const char* CLUSTERS_KEY = "clusters";  // of the state: where they are frozen, empty while they follow
constexpr float SILENT_DB = -84.0f;         // a fader at its lowest lets nothing through

/// Parameters in their order; the first of each kind, one for each stem, where there are four.
enum ParameterIndex { FADER = 0, MUTE = 4, SOLO = 8, SENSITIVITY = 12, FOLLOW, FREEZE, BYPASS, PARAMETERS };

/// One line of the table that hosts are told.
struct ParameterInfo {
    const char *name, *symbol, *unit;
    float standard, lowest, highest;
    bool toggle, logarithmic;
    const char* description;
};

constexpr ParameterInfo PARAMETER_INFO[PARAMETERS] = {
    {"Drums", "drums", "dB", 0, SILENT_DB, 12, false, false, "Level of the drums."},
    {"Bass", "bass", "dB", 0, SILENT_DB, 12, false, false, "Level of the bass."},
    {"Vocals", "vocals", "dB", 0, SILENT_DB, 12, false, false, "Level of the vocals."},
    {"Other", "other", "dB", 0, SILENT_DB, 12, false, false, "Level of everything else."},
    {"Mute Drums", "mute_drums", "", 0, 0, 1, true, false, "Leaves out the drums."},
    {"Mute Bass", "mute_bass", "", 0, 0, 1, true, false, "Leaves out the bass."},
    {"Mute Vocals", "mute_vocals", "", 0, 0, 1, true, false, "Leaves out the vocals."},
    {"Mute Other", "mute_other", "", 0, 0, 1, true, false, "Leaves out everything else."},
    {"Solo Drums", "solo_drums", "", 0, 0, 1, true, false, "Leaves out what has no solo."},
    {"Solo Bass", "solo_bass", "", 0, 0, 1, true, false, "Leaves out what has no solo."},
    {"Solo Vocals", "solo_vocals", "", 0, 0, 1, true, false, "Leaves out what has no solo."},
    {"Solo Other", "solo_other", "", 0, 0, 1, true, false, "Leaves out what has no solo."},
    {"Sensitivity", "sensitivity", "x", 1, 0.25f, 4, false, true, "Low lets stems bleed softly, high cuts them hard."},
    {"Follow", "follow", "s", 3, 1, 30, false, true, "How long the clusters take to follow the music."},
    {"Freeze", "freeze", "", 0, 0, 1, true, false, "Has the clusters rest where they are."},
    {"Bypass", "dpf_bypass", "", 0, 0, 1, true, false, "Lets everything through, as late as ever."},
};

/// Amplitudes of the stems, of what their faders, mutes and solos say.
inline void fader_gains(const float* values, float (&gains)[STEMS]) {
    bool solo = false;
    for (int stem = 0; stem < STEMS; ++stem) solo = solo || values[SOLO + stem] > 0.5f;
    for (int stem = 0; stem < STEMS; ++stem) {
        const bool heard = values[MUTE + stem] <= 0.5f && (!solo || values[SOLO + stem] > 0.5f);
        gains[stem] = heard && values[FADER + stem] > SILENT_DB ? std::pow(10.0f, values[FADER + stem] / 20) : 0.0f;
    }
}

}  // namespace stems
