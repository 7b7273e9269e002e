// The plugin's own window: faders, mute, solo and meters, and a map of what the clusters hear.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <string>

#include "DistrhoUI.hpp"
#include "parameters.hpp"
#include "plugin.hpp"

START_NAMESPACE_DISTRHO

using namespace stems;

namespace {

const Color COLOURS[STEMS] = {Color(224, 96, 80), Color(230, 176, 64), Color(88, 168, 232), Color(112, 192, 120)};
const Color GROUND(28, 30, 34), PANEL(40, 43, 49), GROOVE(20, 21, 24), TEXT(222, 224, 228), FAINT(140, 145, 154);
const Color MUTED(224, 96, 80), SOLOED(240, 208, 80), PRESSED(120, 132, 152);

constexpr float LOWEST_SHOWN_DB = -60, METER_FALL = 0.85f;
constexpr float STRIP = 76, FADER_TOP = 76, FADER_HEIGHT = 196, SLIDER_LEFT = 336, SLIDER_WIDTH = 208;

struct Box {
    float x, y, width, height;
    bool holds(double px, double py) const { return px >= x && px < x + width && py >= y && py < y + height; }
};

/// Where each parameter is set, in the units of the window's default size.
Box box_of(int index) {
    if (index < MUTE) return {16 + STRIP * index, FADER_TOP, STRIP - 8, FADER_HEIGHT};
    if (index < SOLO) return {22 + STRIP * (index - MUTE), 306, 26, 24};
    if (index < SENSITIVITY) return {52 + STRIP * (index - SOLO), 306, 26, 24};
    if (index == SENSITIVITY) return {SLIDER_LEFT, 232, SLIDER_WIDTH, 34};
    if (index == FOLLOW) return {SLIDER_LEFT, 276, SLIDER_WIDTH, 34};
    return {SLIDER_LEFT + (index == BYPASS ? 108.0f : 0.0f), 322, 100, 24};
}

const Box MODEL_BOX{16, 350, 528, 26}, MAP_BOX{SLIDER_LEFT, 56, SLIDER_WIDTH, 160};

/// From 0, lowest, to 1, highest.
float place_of(int index, float value) {
    const ParameterInfo& info = PARAMETER_INFO[index];
    if (info.logarithmic) return std::log(value / info.lowest) / std::log(info.highest / info.lowest);
    return (value - info.lowest) / (info.highest - info.lowest);
}

float value_at(int index, float place) {
    const ParameterInfo& info = PARAMETER_INFO[index];
    place = std::clamp(place, 0.0f, 1.0f);
    if (info.logarithmic) return info.lowest * std::pow(info.highest / info.lowest, place);
    return info.lowest + place * (info.highest - info.lowest);
}

std::string text_of(int index, float value) {
    if (index < MUTE && value <= SILENT_DB) return "-inf dB";
    char text[32];
    std::snprintf(text, sizeof text, index < MUTE ? "%+.1f %s" : "%.2f %s", value, PARAMETER_INFO[index].unit);
    return text;
}

float meter_place(float power) {
    return std::clamp(1 - 10 * std::log10(power + 1e-12f) / LOWEST_SHOWN_DB, 0.0f, 1.0f);
}

}  // namespace

class StemsWindow : public UI {
public:
    StemsWindow() : UI(DISTRHO_UI_DEFAULT_WIDTH, DISTRHO_UI_DEFAULT_HEIGHT) {
        const double scale = std::max(1.0, getScaleFactor());
        const uint width = static_cast<uint>(DISTRHO_UI_DEFAULT_WIDTH * scale);
        const uint height = static_cast<uint>(DISTRHO_UI_DEFAULT_HEIGHT * scale);
        setGeometryConstraints(width, height, true);  // DPF's own scaling would come on top of `zoom`
        if (scale > 1) setSize(width, height);
        for (int index = 0; index < PARAMETERS; ++index) values_[index] = PARAMETER_INFO[index].standard;
        loadSharedResources();
    }

protected:
    void parameterChanged(uint32_t index, float value) override {
        if (index < PARAMETERS) values_[index] = value;
        repaint();
    }

    void stateChanged(const char*, const char*) override { repaint(); }

    void uiIdle() override { repaint(); }

    void onNanoDisplay() override {
        scale(getWidth() / float(DISTRHO_UI_DEFAULT_WIDTH), getWidth() / float(DISTRHO_UI_DEFAULT_WIDTH));
        fontFace(NANOVG_DEJAVU_SANS_TTF);
        box({0, 0, DISTRHO_UI_DEFAULT_WIDTH, DISTRHO_UI_DEFAULT_HEIGHT}, GROUND, 0);
        write(16, 30, 20, ALIGN_LEFT, TEXT, DISTRHO_PLUGIN_NAME);
        for (int stem = 0; stem < STEMS; ++stem) draw_strip(stem);
        draw_map();
        for (const int index : {SENSITIVITY, FOLLOW}) draw_slider(index);
        for (const int index : {FREEZE, BYPASS}) draw_button(index, PARAMETER_INFO[index].name, PRESSED);
        draw_model();
    }

    bool onMouse(const MouseEvent& event) override {
        if (event.button != 1) return false;
        if (!event.press) return release();
        const double x = event.pos.getX() / zoom(), y = event.pos.getY() / zoom();
        for (int index = 0; index < PARAMETERS; ++index)
            if (box_of(index).holds(x, y)) return press(index, event);
        return MODEL_BOX.holds(x, y) && choose_model();
    }

    void uiFileBrowserSelected(const char* path) override {
        if (path) setState(MODEL_KEY, path);
    }

    bool onMotion(const MotionEvent& event) override {
        if (dragged_ < 0) return false;
        const double moved = dragged_ < MUTE ? (last_y_ - event.pos.getY()) / zoom() / (FADER_HEIGHT - 24)
                                             : (event.pos.getX() - last_x_) / zoom() / SLIDER_WIDTH;
        last_x_ = event.pos.getX();
        last_y_ = event.pos.getY();
        place_ += moved * (event.mod & kModifierShift ? 0.1 : 1);  // step by step, as Shift may come and go
        set(dragged_, value_at(dragged_, static_cast<float>(place_)));
        return true;
    }

private:
    double zoom() const { return getWidth() / double(DISTRHO_UI_DEFAULT_WIDTH); }

    const StemsPlugin* plugin() const { return static_cast<const StemsPlugin*>(getPluginInstancePointer()); }

    bool choose_model() {
        FileBrowserOptions options;
        options.title = "Choose a model (.safetensors)";
        return openFileBrowser(options);
    }

    bool press(int index, const MouseEvent& event) {
        editParameter(index, true);
        if (PARAMETER_INFO[index].toggle) {
            set(index, values_[index] > 0.5f ? 0.0f : 1.0f);
            editParameter(index, false);
            return true;
        }
        const bool twice = index == last_pressed_ && event.time - last_time_ < 350;
        last_pressed_ = index;
        last_time_ = event.time;
        if (twice) set(index, PARAMETER_INFO[index].standard);
        dragged_ = index;
        last_x_ = event.pos.getX();
        last_y_ = event.pos.getY();
        place_ = place_of(index, values_[index]);
        return true;
    }

    bool release() {
        if (dragged_ < 0) return false;
        editParameter(dragged_, false);
        dragged_ = -1;
        return true;
    }

    void set(int index, float value) {
        values_[index] = value;
        setParameterValue(index, value);
        repaint();
    }

    void box(const Box& place, const Color& colour, float radius = 3) {
        beginPath();
        roundedRect(place.x, place.y, place.width, place.height, radius);
        fillColor(colour);
        fill();
    }

    void write(float x, float y, float size, int align, const Color& colour, const std::string& words) {
        fontSize(size);
        textAlign(align | ALIGN_MIDDLE);
        fillColor(colour);
        text(x, y, words.c_str(), nullptr);
    }

    void draw_strip(int stem) {
        const Box area = box_of(FADER + stem);
        const float middle = area.x + area.width / 2, travel = area.height - 24;
        box({area.x, 44, area.width, 294}, PANEL, 5);
        write(middle, 60, 13, ALIGN_CENTER, COLOURS[stem], STEM_TITLES[stem]);
        const Box groove{area.x + 20, area.y + 12, 6, travel};
        box(groove, GROOVE);
        const float unity = area.y + 12 + travel * (1 - place_of(FADER + stem, 0));
        box({groove.x - 8, unity - 0.5f, 22, 1}, FAINT, 0);
        const float knob = area.y + 12 + travel * (1 - place_of(FADER + stem, values_[FADER + stem]));
        box({groove.x - 10, knob - 7, 26, 14}, TEXT);
        box({groove.x - 10, knob - 1, 26, 2}, COLOURS[stem], 0);
        const Box meter{area.x + 48, area.y + 12, 10, travel};
        box(meter, GROOVE);
        const float height = travel * meter_place(metered(stem));
        box({meter.x, meter.y + travel - height, meter.width, height}, COLOURS[stem], 1);
        write(middle, 288, 12, ALIGN_CENTER, TEXT, text_of(FADER + stem, values_[FADER + stem]));
        draw_button(MUTE + stem, "M", MUTED);
        draw_button(SOLO + stem, "S", SOLOED);
    }

    /// Mean square of a stem after its fader, falling slowly.
    float metered(int stem) {
        float gains[STEMS];
        fader_gains(values_, gains);
        const float power = plugin() ? plugin()->picture().power[stem].load() * gains[stem] * gains[stem] : 0.0f;
        return shown_[stem] = std::max(power, shown_[stem] * METER_FALL);
    }

    void draw_map() {
        box({MAP_BOX.x - 4, MAP_BOX.y - 12, MAP_BOX.width + 8, MAP_BOX.height + 20}, PANEL, 5);
        box(MAP_BOX, GROOVE);
        if (!plugin()) return write(MAP_BOX.x + MAP_BOX.width / 2, 130, 12, ALIGN_CENTER, FAINT, "no map in this host");
        const float width = MAP_BOX.width / Picture::COLUMNS;
        for (int column = 0; column < Picture::COLUMNS; ++column) {
            float sum = 0, parts[STEMS];
            for (int stem = 0; stem < STEMS; ++stem) sum += parts[stem] = plugin()->picture().cells[stem][column].load();
            const float height = MAP_BOX.height * std::clamp(1 + 10 * std::log10(sum + 1e-12f) / 80, 0.0f, 1.0f);
            float bottom = MAP_BOX.y + MAP_BOX.height;
            for (int stem = 0; stem < STEMS && sum > 0; ++stem) {
                const float part = height * parts[stem] / sum;
                box({MAP_BOX.x + column * width, bottom - part, width + 0.3f, part}, COLOURS[stem], 0);
                bottom -= part;
            }
        }
    }

    void draw_slider(int index) {
        const Box area = box_of(index);
        const ParameterInfo& info = PARAMETER_INFO[index];
        write(area.x, area.y + 9, 12, ALIGN_LEFT, TEXT, info.name);
        write(area.x + area.width, area.y + 9, 12, ALIGN_RIGHT, TEXT, text_of(index, values_[index]));
        box({area.x, area.y + 22, area.width, 6}, GROOVE);
        const float place = area.width * place_of(index, values_[index]);
        box({area.x, area.y + 22, place, 6}, PRESSED);
        box({area.x + place - 5, area.y + 17, 10, 16}, TEXT);
    }

    void draw_button(int index, const char* words, const Color& colour) {
        const Box area = box_of(index);
        const bool on = values_[index] > 0.5f;
        box(area, on ? colour : GROOVE);
        write(area.x + area.width / 2, area.y + area.height / 2, 12, ALIGN_CENTER, on ? GROUND : FAINT, words);
    }

    void draw_model() {
        box(MODEL_BOX, PANEL);
        std::string words = "Choose a model ...";
        if (plugin()) words = plugin()->message().empty() ? "Model: " + plugin()->model_name() : plugin()->message();
        scissor(MODEL_BOX.x, MODEL_BOX.y, MODEL_BOX.width, MODEL_BOX.height);
        write(MODEL_BOX.x + 10, MODEL_BOX.y + MODEL_BOX.height / 2, 12, ALIGN_LEFT, TEXT, words);
        resetScissor();
    }

    float values_[PARAMETERS], shown_[STEMS] = {};
    int dragged_ = -1, last_pressed_ = -1;
    uint last_time_ = 0;
    double last_x_ = 0, last_y_ = 0, place_ = 0;  // of what is dragged

    DISTRHO_DECLARE_NON_COPYABLE_WITH_LEAK_DETECTOR(StemsWindow)
};

UI* createUI() { return new StemsWindow(); }

END_NAMESPACE_DISTRHO
