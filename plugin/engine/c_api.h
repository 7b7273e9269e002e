/* The engine for callers in other languages: tests and benchmarks load it. */
#pragma once

#ifdef __cplusplus
extern "C" {
#endif

#if defined(_WIN32)
#define STEMS_API __declspec(dllexport)
#else
#define STEMS_API __attribute__((visibility("default")))
#endif

typedef struct stems_model stems_model;
typedef struct stems_stream stems_stream;

/* All that may fail return NULL, and then this is the reason, of the calling thread's last failure. */
STEMS_API const char* stems_error(void);
/* The instruction set that is used. */
STEMS_API const char* stems_kernels(void);
/* Has another one used, "portable" or "avx2"; 0 if this machine cannot run it. */
STEMS_API int stems_use_kernels(const char* name);

STEMS_API stems_model* stems_model_load(const char* path);
STEMS_API stems_model* stems_model_parse(const char* content, long long size, const char* card, long long card_size);
STEMS_API void stems_model_free(stems_model* model);
/* bins of the grid of a rate; band_of_bin: NULL, or room for all of them. */
STEMS_API int stems_model_bins(const stems_model* model, double sample_rate, int* band_of_bin);
/* levels: (frames, 2, bands) in dB -> embeddings: (frames, bands, dimensions). Returns NULL if it cannot. */
STEMS_API const stems_model* stems_model_embed(const stems_model* model, const float* levels, int frames,
                                               float* embeddings);

/* spread: samples that the work on a frame is spread over; -1 for a hop. See stream.hpp. */
STEMS_API stems_stream* stems_stream_new(const stems_model* model, double sample_rate, int channels, int mixes,
                                         int spread);
STEMS_API void stems_stream_free(stems_stream* stream);
STEMS_API void stems_stream_reset(stems_stream* stream);
STEMS_API int stems_stream_latency(const stems_stream* stream);
/* What was computed since all was forgotten, in about as many multiplications. */
STEMS_API double stems_stream_work_done(const stems_stream* stream);
STEMS_API void stems_stream_set(stems_stream* stream, float sensitivity, double follow_seconds, const float* gains);
STEMS_API void stems_stream_run(stems_stream* stream, const float* const* input, float* const* mixture,
                                float* const* mixes, int samples);

/* The Fourier transform there and back: signal (length,) -> real and imaginary parts (length + 2,), and signal again. */
STEMS_API void stems_fourier(float* signal, int length, float* spectrum);

#ifdef __cplusplus
}
#endif
