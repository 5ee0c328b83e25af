// Okada (1992), "Internal deformation due to shear and tensile faults in a half-space", BSSA 82, 1018-1040:
// the displacement formulas of Tables 2 (point source) and 6 (rectangle), in the notation of the paper, written on any
// number type of scalar.cuh. Derivatives come from the number type.
//
// What differs from the printed tables, always by an amount that drops out of Chinnery's sum or vanishes:
// - the primitives in R + xi and R + eta are reflected, f(x) -> -f(-x), where the observer lies on the negative side
//   of the fault's middle: nothing cancels beside the prolongation of an edge, and R + x is a quotient where x < 0;
// - I3 and I4 of steep faults are series in cos(dip): there is no special case at 90 degrees;
// - Theta is zero on the fault's plane (the mean of both sides) and is differentiated in closed form.
#pragma once

#include "../scalar/scalar.cuh"

namespace dislok {
namespace okada {

/// Coefficients of the elastic medium, linear in which every formula is: alpha = (lambda + mu) / (lambda + 2 mu).
template <class T> struct Medium {
    T one, a1, a2, a3, a4, a5;  // 1, (1 - alpha) / 2, alpha / 2, (1 - alpha) / alpha, 1 - alpha, alpha

    DISLOK_FN static Medium of(T nu) {
        const T alpha = T(0.5) / (1 - nu), beta = (1 - 2 * nu) * alpha;
        return {T(1), beta / 2, alpha / 2, 1 - 2 * nu, beta, alpha};
    }
    /// Derivative of the coefficients by Poisson's ratio.
    DISLOK_FN static Medium derivative(T nu) {
        const T alpha = T(0.5) / (1 - nu), square = alpha * alpha;
        return {T(0), -square, square, T(-2), -2 * square, 2 * square};
    }
};

/// Where one corner of a rectangle (or a point source) sees the observer: lengths in units of the pair's size.
/// xi, y horizontally along and across the strike, z of the observer, depth of the corner; local partials in this
/// order, then the dip in radian.
template <class T> struct Place {
    T xi, y, z, depth, s, c;  // s, c: sine and cosine of the dip
};

/// One of the two sources of the half-space problem (the real one, the image) as a corner sees it.
template <class T> struct View {
    T eta, q;     // coordinates in the fault's plane and normal to it
    T sx, se;     // side of the fault's middle on which the observer lies: +1 or -1, along strike and along dip
    bool plane;   // the observer is on the fault's plane
    bool turned;  // Theta is measured from +-pi / 2, a constant that drops out of the sum over corners
};

/// The same as numbers that carry derivatives.
template <class J> struct Local {
    J xi, y, d, z, depth, s, c, eta, q;  // y, d: the paper's y~, d~

    /// `side` is +1 for the real source, d = depth + z, and -1 for its image.
    template <class T> DISLOK_FN static Local of(const Place<T>& at, int side) {
        Local k;
        k.xi = Seed<J>::variable(at.xi, 0);
        k.y = Seed<J>::variable(at.y, 1);
        k.z = Seed<J>::variable(at.z, 2);
        k.depth = Seed<J>::variable(at.depth, 3);
        const J dip = Seed<J>::variable(T(0), 4);
        k.s = turned_cosine(dip, at.s, -at.c);
        k.c = turned_cosine(dip, at.c, at.s);
        k.d = k.depth + T(side) * k.z;
        k.eta = k.y * k.c + k.d * k.s;
        k.q = k.y * k.s - k.d * k.c;
        return k;
    }
};

/// The rounded eta and q of a view in place of those that follow from y, d: both corners of an edge share them.
template <class J, class T> DISLOK_FN Local<J> with_view(Local<J> k, const View<T>& v) {
    k.eta = with_value(k.eta, v.eta);
    k.q = with_value(k.q, v.q);
    return k;
}

// ----------------------------------------------------------------------------------------- rectangle

/// R + x without cancellation: `rest` is R^2 - x^2.
template <class J> DISLOK_FN J sum_with(const J& r, const J& x, const J& rest) {
    return value(x) < 0 ? rest / (r - x) : r + x;
}

/// Quantities that parts A, B and C share, reflected to the observer's side.
template <class J> struct Primitives {
    J r, r1, x11, y11, x32, y32, lnx, lny, theta;  // r1 = 1 / R, lnx = ln(R + xi), lny = ln(R + eta)

    template <class T> DISLOK_FN static Primitives of(const Local<J>& k, const View<T>& v) {
        Primitives f;
        const J q2 = k.q * k.q, restx = k.eta * k.eta + q2, resty = k.xi * k.xi + q2;
        f.r = sqrt(k.xi * k.xi + restx);
        f.r1 = inverse(f.r);
        const J rx = sum_with(f.r, v.sx * k.xi, restx), ry = sum_with(f.r, v.se * k.eta, resty);
        const J x1 = f.r1 / rx, y1 = f.r1 / ry;
        f.x11 = v.sx * x1;
        f.y11 = v.se * y1;
        f.x32 = v.sx * ((f.r + rx) * f.r1 * x1 * x1);
        f.y32 = v.se * ((f.r + ry) * f.r1 * y1 * y1);
        f.lnx = v.sx * log(rx);
        f.lny = v.se * log(ry);
        // On the plane the two one-sided limits +-pi / 2 are replaced by their mean.
        const T above = value(k.xi) * value(k.eta), below = value(k.q) * value(f.r);
        const T angle = v.plane ? T(0) : v.turned ? -atan(below / above) : atan(above / below);
        f.theta = potential(angle, -k.q * f.y11, -k.q * f.x11, k.xi * f.y11 + k.eta * f.x11, k.xi, k.eta, k.q);
        return f;
    }
};

/// Derivatives 0 to 3 of G(w) = sum of w^n / (2 n + 3) for -0.256 < w < 0.093, by Chebyshev interpolation with
/// errors below 3e-16, 3e-16, 3e-16, 3e-15 (float: 1e-9, 1e-8, 1e-7, 4e-7) of the value.
template <class T> struct ArcTail;
template <> struct ArcTail<double> {
    static constexpr int terms = 16;
    DISLOK_FN static double coefficient(int order, int n) {
        using T = double;
        static constexpr T table[4][16] = {
            {T(0.33333333333333333332), T(0.20000000000000002235), T(0.14285714285714300801),
             T(0.11111111111107178046), T(0.090909090908770421546), T(0.076923076941892343137),
             T(0.066666666877803959597), T(0.058823526234780936639), T(0.052631525259161788523),
             T(0.047619115454510519678), T(0.043483556511516537166), T(0.040028012356879369564),
             T(0.036941657506602235648), T(0.032818473221847336168), T(0.024212588720785610706),
             T(0.010205273847048144927)},
            {T(0.19999999999999999974), T(0.28571428571428605214), T(0.33333333333333563551),
             T(0.36363636363576909588), T(0.3846153846105019843), T(0.40000000028416477104),
             T(0.41176470909216946794), T(0.4210525837553229672), T(0.4285706140038680867),
             T(0.43478358149662400685), T(0.44008008634241960914), T(0.44487297861527650083),
             T(0.44686462508156707643), T(0.42638807843348382691), T(0.33127804548543144353),
             T(0.14418457989090864244)},
            {T(0.28571428571428571015), T(0.66666666666667209497), T(1.0909090909091282379),
             T(1.5384615384519882001), T(1.9999999999209546231), T(2.4705882398545115667),
             T(2.947368472906071703), T(3.4285706636493669721), T(3.913030345645770998),
             T(4.4000147704870108892), T(4.8901758034957147426), T(5.3862762112773710594),
             T(5.8488021313505082398), T(5.9574298950968227666), T(4.8503541549655987714),
             T(2.1731238433313625903)},
            {T(0.66666666666666659629), T(2.181818181818274185), T(4.6153846153852563781),
             T(7.9999999998375332217), T(12.352941175115367869), T(17.684210603823010657),
             T(24.000000887131977697), T(31.304334870093733982), T(39.599775775811968759),
             T(48.889125426159211423), T(59.194312752373175263), T(70.571521067575413348),
             T(82.358974704710427235), T(89.073511766032624915), T(75.67313168011003139),
             T(34.807202177109410663)}};
        return table[order][n];
    }
};
template <> struct ArcTail<float> {
    static constexpr int terms = 8;
    DISLOK_FN static float coefficient(int order, int n) {
        using T = float;
        static constexpr T table[4][8] = {
            {T(0.33333333348706148497), T(0.1999999927724383337), T(0.14285691711702504876),
             T(0.1111134058795215728), T(0.090967887120330505945), T(0.076959381067922852655),
             T(0.062801673771096823318), T(0.035023582930478077032)},
            {T(0.20000000118124777971), T(0.28571423031376357375), T(0.33333159247222148701),
             T(0.36365379102614384996), T(0.38506901699670150913), T(0.40033270678219427253),
             T(0.38214775024396978883), T(0.23482799964698618522)},
            {T(0.28571429590267497955), T(0.66666619001903370281), T(1.0908940212868828075),
             T(1.5386100458560227002), T(2.0039283260553756974), T(2.4739299178265535845),
             T(2.6927310694128132242), T(1.7934015176187622056)},
            {T(0.66666676417315573868), T(2.1818136316236140866), T(4.6152398688139098992),
             T(8.0014036914838068032), T(12.390684781575924245), T(17.720786308974149471),
             T(21.571863676773496037), T(15.377609391066074991)}};
        return table[order][n];
    }
};
template <class T> DISLOK_FN T arc_tail(T w, int order = 0) {
    T sum = ArcTail<T>::coefficient(order, ArcTail<T>::terms - 1);
    for (int n = ArcTail<T>::terms - 2; n >= 0; --n) sum = sum * w + ArcTail<T>::coefficient(order, n);
    return sum;
}
template <class T, int N, int K> DISLOK_FN Jet<T, N, K> arc_tail(const Jet<T, N, K>& w) {
    const T x = w.v();
    return compose(w, arc_tail(x), arc_tail(x, 1), K > 1 ? arc_tail(x, 2) : T(0), K > 2 ? arc_tail(x, 3) : T(0));
}

/// |cos(dip)| below which I3 and I4 are series in cos(dip).
template <class T> DISLOK_FN bool steep(T c) { return c > T(-0.45) && c < T(0.45); }

/// (x - ln(1 + x)) / x^2 for |x| < 0.46: ln(1 + x) = 2 artanh z.
template <class J> DISLOK_FN J log_tail(const J& x) {
    using T = scalar_t<J>;
    const J z = x / (T(2) + x), rest = T(1) - z;
    return (rest - rest * rest * z * arc_tail(z * z)) / T(2);
}

/// I3 (Table 6), up to a multiple of ln(R + eta) - like terms that the sum over corners removes; sin(dip) >= 0.
template <class J> DISLOK_FN J table_i3(const Local<J>& k, const J& r, const J& rd) {
    using T = scalar_t<J>;
    const J lnrd = log(rd);
    if (steep(value(k.c))) {
        const J turn = inverse(T(1) + k.s), t = (k.q + k.eta * k.c * turn) / rd;
        return turn * (k.d / rd - lnrd) + t * t * log_tail(k.c * t);
    }
    const J re = sum_with(r, k.eta, k.xi * k.xi + k.q * k.q);
    return (k.y * k.c / rd - log(re) + k.s * lnrd) / (k.c * k.c);
}

/// I4 (Table 6), up to a constant in eta; sin(dip) >= 0. W = R + eta + d~ + R sin(dip) has no negative part.
template <class J> DISLOK_FN J table_i4(const Local<J>& k, const J& r, const J& rd) {
    using T = scalar_t<J>;
    const J w = sum_with(r, k.eta, k.xi * k.xi + k.q * k.q) + k.d + k.s * r, v = k.xi / w, x = k.c * v;
    if (steep(value(k.c))) {
        const J brace = k.q * (T(2) - k.s) - k.c * (r * (T(2) + k.s) + k.s * k.eta) / (T(1) + k.s);
        return v * (brace / rd + T(2) * k.c * v * v * arc_tail(-(x * x)));
    }
    return (k.s * k.xi / rd - T(2) * atan(x) / k.c) / k.c;
}

/// Part A, u[slip][component]; slips: strike, dip, tensile.
template <class J, class T>
DISLOK_FN void rectangle_a(const Local<J>& k, const Primitives<J>& f, const Medium<T>& m, J u[3][3]) {
    const J xy = k.xi * f.y11, ex = k.eta * f.x11, qx = k.q * f.x11, qy = k.q * f.y11;
    const J half = (m.one / 2) * f.theta, qr = m.a2 * (k.q * f.r1);
    u[0][0] = half + m.a2 * (k.q * xy);
    u[0][1] = qr;
    u[0][2] = m.a1 * f.lny - m.a2 * (k.q * qy);
    u[1][0] = qr;
    u[1][1] = half + m.a2 * (k.q * ex);
    u[1][2] = m.a1 * f.lnx - m.a2 * (k.q * qx);
    u[2][0] = -m.a1 * f.lny - m.a2 * (k.q * qy);
    u[2][1] = -m.a1 * f.lnx - m.a2 * (k.q * qx);
    u[2][2] = half - m.a2 * (k.q * (ex + xy));
}

/// Adds part B.
template <class J, class T>
DISLOK_FN void rectangle_b(const Local<J>& k, const Primitives<J>& f, const Medium<T>& m, J u[3][3]) {
    const J rd = f.r + k.d, rd1 = inverse(rd);
    const J i3 = table_i3(k, f.r, rd), i4 = table_i4(k, f.r, rd);
    const J i1 = -k.xi * rd1 * k.c - i4 * k.s, i2 = log(rd) + i3 * k.s;
    const J qqx = k.q * k.q * f.x11, qqy = k.q * k.q * f.y11, qr = k.q * f.r1;
    const J xqy = k.xi * k.q * f.y11, eqx = k.eta * k.q * f.x11;
    const J ms = m.a3 * k.s, msc = ms * k.c, mss = ms * k.s;
    u[0][0] = u[0][0] - m.one * (xqy + f.theta) - i1 * ms;
    u[0][1] = u[0][1] - m.one * qr + k.y * rd1 * ms;
    u[0][2] = u[0][2] + m.one * qqy - i2 * ms;
    u[1][0] = u[1][0] - m.one * qr + i3 * msc;
    u[1][1] = u[1][1] - m.one * (eqx + f.theta) - k.xi * rd1 * msc;
    u[1][2] = u[1][2] + m.one * qqx + i4 * msc;
    u[2][0] = u[2][0] + m.one * qqy - i3 * mss;
    u[2][1] = u[2][1] + m.one * qqx + k.xi * rd1 * mss;
    u[2][2] = u[2][2] + m.one * (eqx + xqy - f.theta) - i4 * mss;
}

/// Part C, times z.
template <class J, class T>
DISLOK_FN void rectangle_c(const Local<J>& k, const Primitives<J>& f, const Medium<T>& m, J u[3][3]) {
    const J q2 = k.q * k.q, r3 = f.r1 * f.r1 * f.r1, cz = k.depth * k.z;  // cz = c~ z
    const J z32 = k.s * r3 - (k.q * k.c - k.z) * f.y32;
    const J xy = k.xi * f.y11, qy = k.q * f.y11, zxy = k.z * xy, zqy = k.z * qy, zx = k.z * f.x11, zr = k.z * f.r1;
    const J cq = m.a5 * (cz * k.q), cx = m.a5 * (cz * (f.x11 - q2 * f.x32));
    const J zz32 = m.a5 * (k.z * z32), ceta = m.a5 * (cz * k.eta), zzy = m.a5 * (k.z * k.z * f.y11);
    u[0][0] = m.a4 * (zxy * k.c) - k.xi * k.q * zz32;
    u[0][1] = m.a4 * (zr * k.c + T(2) * (zqy * k.s)) - cq * r3;
    u[0][2] = m.a4 * (zqy * k.c) - (ceta * r3 - zzy + k.xi * k.xi * zz32);
    u[1][0] = m.a4 * (zr * k.c) - m.one * (zqy * k.s) - cq * r3;
    u[1][1] = m.a4 * (k.y * zx) - ceta * k.q * f.x32;
    u[1][2] = -m.one * (k.d * zx + zxy * k.s) - cx;
    u[2][0] = -m.a4 * (zr * k.s + zqy * k.c) - zzy + q2 * zz32;
    u[2][1] = (2 * m.a4) * (zxy * k.s) + m.one * (k.d * zx) - cx;
    u[2][2] = m.a4 * (k.y * zx + zxy * k.c) + k.q * (ceta * f.x32 + k.xi * zz32);
}

/// One corner's displacement f[slip][component] in the fault's frame (along strike, horizontally up-dip, up), before
/// the factor 1 / (2 pi); eq. 8 with parts A of the real source and A, B, C of its image. On the ground, where A
/// cancels and C vanishes with all derivatives but those by z, `ground` skips both.
template <class J, class T>
DISLOK_CALL void rectangle_corner(const Place<T>& at, const View<T>& real, const View<T>& image, const Medium<T>& m,
                                bool ground, J f[3][3]) {
    J zc[3][3];
    for (int b = 0; b < 3; ++b)
        for (int i = 0; i < 3; ++i) f[b][i] = zc[b][i] = J(T(0));
    J deep[3][3];
    if (!ground) {
        const Local<J> k = with_view(Local<J>::of(at, 1), real);
        rectangle_a(k, Primitives<J>::of(k, real), m, deep);
    }
    const Local<J> k = with_view(Local<J>::of(at, -1), image);
    const Primitives<J> p = Primitives<J>::of(k, image);
    if (!ground) {
        rectangle_a(k, p, m, f);
        rectangle_c(k, p, m, zc);
    }
    rectangle_b(k, p, m, f);
    for (int b = 0; b < 3; ++b) {
        const J plus = f[b][1] + zc[b][1], minus = f[b][1] - zc[b][1];
        const J up = f[b][2] + zc[b][2], down = f[b][2] - zc[b][2];
        f[b][0] = f[b][0] + zc[b][0];
        f[b][1] = plus * k.c - up * k.s;
        f[b][2] = minus * k.s + down * k.c;
        if (!ground) {
            f[b][0] = f[b][0] - deep[b][0];
            f[b][1] = f[b][1] - deep[b][1] * k.c + deep[b][2] * k.s;
            f[b][2] = f[b][2] - deep[b][1] * k.s - deep[b][2] * k.c;
        }
    }
}

// -------------------------------------------------------------------------------------------- point

/// Part A of the point source (Table 2), u[source][component]; sources: strike, dip, tensile, inflation.
template <class J, class T> DISLOK_FN void point_a(const Local<J>& k, const Medium<T>& m, J u[4][3]) {
    const J r2 = k.xi * k.xi + k.y * k.y + k.d * k.d, r1 = inverse(sqrt(r2)), r3 = r1 * r1 * r1;
    const J p = k.eta, s = p * k.s + k.q * k.c, t = p * k.c - k.q * k.s;
    const J qr = m.a2 * (T(3) * k.q * r3 * r1 * r1), a1r = m.a1 * r3;
    const J xq = k.xi * qr, pq = p * qr, qq = k.q * qr;
    u[0][0] = a1r * k.q + k.xi * xq;
    u[0][1] = a1r * k.xi * k.s + k.y * xq;
    u[0][2] = k.d * xq - a1r * k.xi * k.c;
    u[1][0] = k.xi * pq;
    u[1][1] = a1r * s + k.y * pq;
    u[1][2] = k.d * pq - a1r * t;
    u[2][0] = a1r * k.xi - k.xi * qq;
    u[2][1] = a1r * t - k.y * qq;
    u[2][2] = a1r * s - k.d * qq;
    u[3][0] = -a1r * k.xi;
    u[3][1] = -a1r * k.y;
    u[3][2] = -a1r * k.d;
}

/// Adds part B; `c` = d + z.
template <class J, class T> DISLOK_FN void point_b(const Local<J>& k, const Medium<T>& m, J u[4][3]) {
    const J x2 = k.xi * k.xi, y2 = k.y * k.y, r2 = x2 + y2 + k.d * k.d, r = sqrt(r2), r1 = inverse(r);
    const J r3 = r1 * r1 * r1, rd1 = inverse(r + k.d);
    const J d12 = r1 * rd1 * rd1, d32 = d12 * (T(2) * r + k.d) * r1 * r1, d33 = d12 * (T(3) * r + k.d) * r1 * r1 * rd1;
    const J i1 = k.y * (d12 - x2 * d33), i2 = k.xi * (d12 - y2 * d33), i3 = k.xi * r3 - i2;
    const J i4 = -k.xi * k.y * d32, i5 = r1 * rd1 - x2 * d32;
    const J qr = m.one * (T(3) * k.q * r3 * r1 * r1), xq = k.xi * qr, pq = k.eta * qr, qq = k.q * qr;
    const J ms = m.a3 * k.s, msc = ms * k.c, mss = ms * k.s;
    u[0][0] = u[0][0] - k.xi * xq - i1 * ms;
    u[0][1] = u[0][1] - k.y * xq - i2 * ms;
    u[0][2] = u[0][2] - k.depth * xq - i4 * ms;
    u[1][0] = u[1][0] - k.xi * pq + i3 * msc;
    u[1][1] = u[1][1] - k.y * pq + i1 * msc;
    u[1][2] = u[1][2] - k.depth * pq + i5 * msc;
    u[2][0] = u[2][0] + k.xi * qq - i3 * mss;
    u[2][1] = u[2][1] + k.y * qq - i1 * mss;
    u[2][2] = u[2][2] + k.depth * qq - i5 * mss;
    u[3][0] = u[3][0] + m.a3 * (k.xi * r3);
    u[3][1] = u[3][1] + m.a3 * (k.y * r3);
    u[3][2] = u[3][2] + m.a3 * (k.d * r3);
}

/// Adds part C times z.
template <class J, class T> DISLOK_FN void point_c(const Local<J>& k, const Medium<T>& m, J u[4][3]) {
    const J r2 = k.xi * k.xi + k.y * k.y + k.d * k.d, w = inverse(r2), r1 = sqrt(w), zr3 = k.z * w * r1;
    const J zr5 = T(3) * zr3 * w, q5 = T(5) * k.q * w, c = m.a5 * k.depth;
    const J x3 = zr5 * k.xi, a3 = T(1) - T(3) * k.xi * k.xi * w;
    const J p = k.eta, s = p * k.s + k.q * k.c, t = p * k.c - k.q * k.s;
    const J cos2 = k.c * k.c - k.s * k.s, sin2 = T(2) * k.s * k.c, z4 = m.a4 * zr3;
    u[0][0] = u[0][0] - z4 * a3 * k.c + c * zr5 * k.q * (T(1) - T(5) * k.xi * k.xi * w);
    u[0][1] = u[0][1] + x3 * (m.a4 * (k.y * k.c) + c * (k.s - k.y * q5));
    u[0][2] = u[0][2] + x3 * (c * (k.c + k.d * q5) - m.a4 * (k.y * k.s));
    u[1][0] = u[1][0] + x3 * (m.a4 * t - c * p * q5);
    u[1][1] = u[1][1] - z4 * (cos2 - T(3) * k.y * t * w) + zr5 * c * (s - k.y * p * q5);
    u[1][2] = u[1][2] - z4 * a3 * k.s * k.c + zr5 * c * (t + k.d * p * q5);
    u[2][0] = u[2][0] + x3 * (c * k.q * q5 - m.a5 * k.z - m.a4 * s);
    u[2][1] = u[2][1] + z4 * (sin2 - T(3) * k.y * s * w) + zr5 * (c * (t - k.y + k.y * k.q * q5) - m.a5 * (k.y * k.z));
    u[2][2] = u[2][2] - z4 * (T(1) - a3 * k.s * k.s) - zr5 * (c * (s - k.d + k.d * k.q * q5) - m.a5 * (k.d * k.z));
    u[3][0] = u[3][0] + m.a4 * (x3 * k.d);
    u[3][1] = u[3][1] + m.a4 * (zr5 * k.y * k.d);
    u[3][2] = u[3][2] + z4 * (T(1) - T(3) * k.d * k.d * w);
}

/// Displacement f[source][component] of unit point potencies in the fault's frame, before the factor 1 / (2 pi).
template <class J, class T>
DISLOK_CALL void point_source(const Place<T>& at, const Medium<T>& m, bool ground, J f[4][3]) {
    const Local<J> k = Local<J>::of(at, -1);
    for (int b = 0; b < 4; ++b)
        for (int i = 0; i < 3; ++i) f[b][i] = J(T(0));
    if (!ground) point_a(k, m, f);
    point_b(k, m, f);
    if (ground) return;
    point_c(k, m, f);
    J deep[4][3];
    point_a(Local<J>::of(at, 1), m, deep);
    for (int b = 0; b < 4; ++b)
        for (int i = 0; i < 3; ++i) f[b][i] = f[b][i] - deep[b][i];
}

// ------------------------------------------------------------------------------------- quadrature rule

/// Node k of the Gauss-Legendre rule with n <= 12 nodes on an interval of length 1 about 0.
template <class T> struct Gauss {
    static constexpr int most = 12;
    DISLOK_FN static T node(int n, int k) {
        static constexpr T table[78] =
            {T(0.0), T(-0.288675134594812882), T(0.288675134594812882), T(-0.387298334620741689),
             T(0.0), T(0.387298334620741689), T(-0.430568155797026288), T(-0.169990521792428132),
             T(0.169990521792428132), T(0.430568155797026288), T(-0.453089922969331996),
             T(-0.269234655052841546), T(0.0), T(0.269234655052841546), T(0.453089922969331996),
             T(-0.466234757101576014), T(-0.330604693233132257), T(-0.119309593041598454),
             T(0.119309593041598454), T(0.330604693233132257), T(0.466234757101576014),
             T(-0.474553956171379262), T(-0.37076559279969722), T(-0.202922575688698583), T(0.0),
             T(0.202922575688698583), T(0.37076559279969722), T(0.474553956171379262),
             T(-0.480144928248768116), T(-0.39833323870681337), T(-0.262766204958164493),
             T(-0.0917173212478249025), T(0.0917173212478249025), T(0.262766204958164493),
             T(0.39833323870681337), T(0.480144928248768116), T(-0.484080119753813045),
             T(-0.418015553663317897), T(-0.306685716350295199), T(-0.162126711701904465), T(0.0),
             T(0.162126711701904465), T(0.306685716350295199), T(0.418015553663317897),
             T(0.484080119753813045), T(-0.48695326425858586), T(-0.432531683344492255),
             T(-0.339704784149512203), T(-0.216697697064623595), T(-0.0744371694908156054),
             T(0.0744371694908156054), T(0.216697697064623595), T(0.339704784149512203),
             T(0.432531683344492255), T(0.48695326425858586), T(-0.489114329073028496),
             T(-0.44353129988404765), T(-0.365076002787024662), T(-0.259548064603405908),
             T(-0.134771577976172486), T(0.0), T(0.134771577976172486), T(0.259548064603405908),
             T(0.365076002787024662), T(0.44353129988404765), T(0.489114329073028496),
             T(-0.490780317123359625), T(-0.452058628185237428), T(-0.384951337097152344),
             T(-0.293658977143308724), T(-0.183915749499090097), T(-0.0626167042557344577),
             T(0.0626167042557344577), T(0.183915749499090097), T(0.293658977143308724),
             T(0.384951337097152344), T(0.452058628185237428), T(0.490780317123359625)};
        return table[n * (n - 1) / 2 + k];
    }
    DISLOK_FN static T weight(int n, int k) {
        static constexpr T table[78] =
            {T(1.0), T(0.5), T(0.5), T(0.277777777777777778), T(0.444444444444444444),
             T(0.277777777777777778), T(0.173927422568726929), T(0.326072577431273071),
             T(0.326072577431273071), T(0.173927422568726929), T(0.118463442528094544),
             T(0.239314335249683234), T(0.284444444444444444), T(0.239314335249683234),
             T(0.118463442528094544), T(0.0856622461895851725), T(0.180380786524069304),
             T(0.233956967286345524), T(0.233956967286345524), T(0.180380786524069304),
             T(0.0856622461895851725), T(0.0647424830844348466), T(0.139852695744638334),
             T(0.190915025252559472), T(0.208979591836734694), T(0.190915025252559472),
             T(0.139852695744638334), T(0.0647424830844348466), T(0.0506142681451881296),
             T(0.111190517226687235), T(0.156853322938943644), T(0.181341891689180991),
             T(0.181341891689180991), T(0.156853322938943644), T(0.111190517226687235),
             T(0.0506142681451881296), T(0.040637194180787206), T(0.090324080347428702),
             T(0.130305348201467731), T(0.15617353852000142), T(0.165119677500629882),
             T(0.15617353852000142), T(0.130305348201467731), T(0.090324080347428702),
             T(0.040637194180787206), T(0.0333356721543440688), T(0.0747256745752902966),
             T(0.109543181257991022), T(0.134633359654998178), T(0.147762112357376435),
             T(0.147762112357376435), T(0.134633359654998178), T(0.109543181257991022),
             T(0.0747256745752902966), T(0.0333356721543440688), T(0.0278342835580868332),
             T(0.0627901847324523123), T(0.0931451054638671257), T(0.11659688229599524),
             T(0.131402272255123331), T(0.136462543388950315), T(0.131402272255123331),
             T(0.11659688229599524), T(0.0931451054638671257), T(0.0627901847324523123),
             T(0.0278342835580868332), T(0.0235876681932559136), T(0.0534696629976592155),
             T(0.0800391642716731132), T(0.101583713361532961), T(0.116746268269177404),
             T(0.124573522906701393), T(0.124573522906701393), T(0.116746268269177404),
             T(0.101583713361532961), T(0.0800391642716731132), T(0.0534696629976592155),
             T(0.0235876681932559136)};
        return table[n * (n - 1) / 2 + k];
    }
};

}  // namespace okada
}  // namespace dislok
