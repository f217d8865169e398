extension SpecialFunctions {
    /// The functions that CUDA lacks, as on the CPU.
    static let cuda = """
        DEVICE double not_a_number() { return __longlong_as_double(0x7ff8000000000000ll); }
        DEVICE double infinity() { return __longlong_as_double(0x7ff0000000000000ll); }
        DEVICE double digamma_above_zero(double x) {
            double sum = 0;
            for (; x < 10; x += 1) sum -= 1 / x;
            double z = 1 / (x * x);
            double series = z * (1.0 / 12 - z * (1.0 / 120 - z * (1.0 / 252 - z * (1.0 / 240 - z * (1.0 / 132 - z * 691.0 / 32760)))));
            return sum + log(x) - 0.5 / x - series;
        }
        DEVICE double digamma(double x) {
            if (x != x || x == -infinity()) return not_a_number();
            if (x == infinity()) return x;
            if (x > 0) return digamma_above_zero(x);
            // The poles are at 0 and the negative integers; elsewhere the reflection formula applies.
            if (x == floor(x)) return not_a_number();
            const double pi = 3.14159265358979323846;
            return digamma_above_zero(1 - x) - pi / tan(pi * (x - round(x)));
        }
        // Σ (k + q)⁻ˢ over k ≥ 0 by the formula of Euler and Maclaurin.
        DEVICE double zeta(double s, double q) {
            if (s == 1) return infinity();
            if (!(s > 1) || q != q) return not_a_number();
            bool is_whole = s == floor(s);
            if (q <= 0) {
                if (q == floor(q)) return is_whole && fmod(s, 2.0) == 0 ? infinity() : not_a_number();
                if (!is_whole) return not_a_number();
            }
            if (q == infinity()) return 0;
            if (q < -1e4) return not_a_number();
            double term = q, sum = 0;
            for (int count = 0; term < 10 || count < 2; count++) {
                sum += pow(term, -s);
                term += 1;
            }
            sum += pow(term, 1 - s) / (s - 1) + 0.5 * pow(term, -s);
            double factor = s, power = pow(term, -s - 1);
            const double coefficients[8] = {1.0 / 12, -1.0 / 720, 1.0 / 30240, -1.0 / 1209600, 1.0 / 47900160,
                -691.0 / 1307674368000.0, 1.0 / 74724249600.0, -3617.0 / 10670622842880000.0};
        #pragma unroll
            for (int k = 0; k < 8; k++) {
                sum += coefficients[k] * factor * power;
                factor *= (s + (2 * k + 1)) * (s + (2 * k + 2));
                power /= term * term;
            }
            return sum;
        }
        DEVICE double polygamma(double n, double x) {
            if (!(n >= 0) || n != floor(n)) return not_a_number();
            if (n == 0) return digamma(x);
            double sign = fmod(n, 2.0) == 0 ? -1.0 : 1.0;
            return sign * exp(lgamma(n + 1)) * zeta(n + 1, x);
        }
        """
}
