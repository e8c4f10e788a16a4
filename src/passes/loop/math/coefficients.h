// The polynomials behind the expansions of math functions, lowest power first. fit.py derives them:
// minimax (Remez) in the relative error of the function that they serve; the comments give that
// error for f32 and f64, before the coefficients are rounded to the format.
#pragma once

#include <span>

#include "ir/dtype.h"

namespace tenon::passes {

using Coefficients = std::span<const double>;

/// One polynomial per format.
struct Polynomial {
  Coefficients f32, f64;
  Coefficients of(ir::DType dtype) const { return dtype == ir::DType::kFloat32 ? f32 : f64; }
};

namespace coefficients {

// (e^t - 1 - t) / t^2 for |t| <= log(2) / 2: 3e-9, 3e-18.
inline constexpr double kExp32[] = {5.0e-1, 1.6666519641876221e-1, 4.166620597243309e-2,
                                    8.3688823506236076e-3, 1.3950492721050978e-3};
inline constexpr double kExp64[] = {
    5.0000000000000122e-1, 1.6666666666666699e-1, 4.1666666666515563e-2, 8.3333333333071129e-3,
    1.3888888946975502e-3, 1.9841269917560313e-4, 2.4801489986317794e-5, 2.7557216164084632e-6,
    2.7631263880789098e-7, 2.5117897913821529e-8};
inline constexpr Polynomial kExp = {kExp32, kExp64};

// (log((1 + s) / (1 - s)) / s - 2) / s^2 in s^2, for (1 + s) / (1 - s) within 1/sqrt(2) and
// sqrt(2): 2e-9, 2e-18.
inline constexpr double kLog32[] = {6.6666775941848755e-1, 3.9977583289146423e-1,
                                    2.9870796203613281e-1};
inline constexpr double kLog64[] = {
    6.666666666666734e-1,  3.9999999999416647e-1, 2.8571428742026656e-1, 2.2222198605216034e-1,
    1.8183562843185644e-1, 1.53140850341455e-1,   1.4795631601636527e-1};
inline constexpr Polynomial kLog = {kLog32, kLog64};

// (sin(x) / x - 1) / x^2 in x^2, for |x| <= pi / 4: 4e-9, 3e-18.
inline constexpr double kSine32[] = {-1.6666655242443085e-1, 8.3321919664740562e-3,
                                     -1.9518790941219777e-4};
inline constexpr double kSine64[] = {-1.6666666666666632e-1, 8.3333333333224895e-3,
                                     -1.9841269829857808e-4, 2.7557313707008539e-6,
                                     -2.5050760242312188e-8, 1.5896909237796189e-10};
inline constexpr Polynomial kSine = {kSine32, kSine64};

// (cos(x) - 1 + x^2 / 2) / x^4 in x^2, for |x| <= pi / 4: 1e-10, 5e-20.
inline constexpr double kCosine32[] = {4.1666645556688309e-2, -1.3887301320210099e-3,
                                       2.4430668418062851e-5};
inline constexpr double kCosine64[] = {4.1666666666666602e-2, -1.3888888888874474e-3,
                                       2.4801587289671547e-5, -2.755731440103797e-7,
                                       2.0875729282907554e-9, -1.1359934364344741e-11};
inline constexpr Polynomial kCosine = {kCosine32, kCosine64};

// (atan(x) / x - 1) / x^2 in x^2, for |x| <= 1: 2e-9, 3e-17.
inline constexpr double kAtan32[] = {
    -3.3333301544189453e-1, 1.9998626410961151e-1,  -1.4265091717243195e-1,
    1.0956656932830811e-1,  -8.4164544939994812e-2, 5.8177873492240906e-2,
    -3.1394168734550476e-2, 1.1028755456209183e-2,  -1.8186542438343167e-3};
inline constexpr double kAtan64[] = {
    -3.3333333333331994e-1, 1.999999999977474e-1,  -1.4285714272349986e-1, 1.1111110705388751e-1,
    -9.0909016550574026e-2, 7.6922172830733604e-2, -6.6658918661897049e-2, 5.877473198822733e-2,
    -5.2398800872868273e-2, 4.6758682975248732e-2, -4.096996131226753e-2,  3.4143954729944408e-2,
    -2.5928946378307536e-2, 1.7082308523199898e-2, -9.2640805992258071e-3, 3.8998402100581765e-3,
    -1.1806000907414608e-3, 2.268279787819372e-4,  -2.0662367679147467e-5};
inline constexpr Polynomial kAtan = {kAtan32, kAtan64};

// (asin(x) / x - 1) / x^2 in x^2, for |x| <= 1/2: 5e-9, 2e-17.
inline constexpr double kAsin32[] = {1.6666753590106964e-1, 7.4952520430088043e-2,
                                     4.5476041734218597e-2, 2.4152088910341263e-2,
                                     4.2211811989545822e-2};
inline constexpr double kAsin64[] = {
    1.6666666666665383e-1, 7.5000000003429268e-2, 4.4642856823567043e-2,  3.0381959328090086e-2,
    2.2371753593734653e-2, 1.7359770106901967e-2, 1.3884607842176393e-2,  1.2173220655118638e-2,
    6.5110961977293165e-3, 1.9573267120109896e-2, -1.6293105481929523e-2, 3.1958322667609729e-2};
inline constexpr Polynomial kAsin = {kAsin32, kAsin64};

// (sinh(x) / x - 1) / x^2 in x^2, for |x| <= 1: 6e-11, 1e-16.
inline constexpr double kSinh32[] = {1.666666716337204e-1, 8.333311416208744e-3,
                                     1.9842635083477944e-4, 2.7839255380968098e-6};
inline constexpr double kSinh64[] = {1.6666666666666025e-1, 8.333333333458131e-3,
                                     1.9841269760524508e-4, 2.7557343235432448e-6,
                                     2.5048500403890384e-8, 1.6325378438024466e-10};
inline constexpr Polynomial kSinh = {kSinh32, kSinh64};

// tanh(x) = x * P(x^2) / Q(x^2) for |x| <= 9.02, f32 only: 7e-9.
inline constexpr double kTanhP[] = {1.0,
                                    1.3083156943321228e-1,
                                    3.1030017416924238e-3,
                                    1.1144261407025624e-5,
                                    -2.018399136716198e-8,
                                    5.2577910775175596e-11,
                                    -8.4360781706614707e-14};
inline constexpr double kTanhQ[] = {1.0, 4.641648530960083e-1, 2.4491382762789726e-2,
                                    2.5447519146837294e-4};

// erf(x) = x * P(x^2) / Q(x^2) for |x| <= 3.93, f32 only: 5e-8.
inline constexpr double kErfP[] = {
    1.1283791065216064,    2.008059173822403e-1,   5.068916454911232e-2, 3.7367744371294975e-3,
    1.4249375090003014e-4, -1.9553788206394529e-6, 1.9815333374140209e-8};
inline constexpr double kErfQ[] = {1.0, 5.1129120588302612e-1, 1.1536166071891785e-1,
                                   1.4426889829337597e-2, 9.6390501130372286e-4};

// erf(x) / x in x^2 for |x| <= 1, f64 only: 7e-18.
inline constexpr double kErfSmall[] = {
    1.1283791670955126,    -3.7612638903183337e-1, 1.1283791670936538e-1, -2.6866170641868772e-2,
    5.2239775958294755e-3, -8.5483254354165659e-4, 1.2055278885367559e-4, -1.4924433229695754e-5,
    1.6443740240524045e-6, -1.6180771166386586e-7, 1.3602211951785357e-8, -7.578969252309909e-10};

// (1 - erf(x)) * exp(x^2) in (x - 2) / (x + 2) for 1 <= x <= 6, f64 only: 3e-17, absolute.
inline constexpr double kErfLarge[] = {
    2.5539567631050569e-1,  -4.2718584741395865e-1, 2.4165819424248777e-1, -7.8978581015676411e-2,
    3.7328924016145851e-3,  6.9974617368920499e-3,  -8.471431193360512e-4, -9.8197704875519301e-4,
    4.3552527382015695e-5,  1.7436396489518542e-4,  2.7562414125154655e-5, -2.7636233329658445e-5,
    -1.4182059959784697e-5, 1.8557155858546035e-6,  4.1915813008139624e-6, -2.583851273607827e-7};

}  // namespace coefficients
}  // namespace tenon::passes
