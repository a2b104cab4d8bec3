// Transforms as the compiler writes them.

#[doc = "F(4, 5) on tiles of 8, from the points 0, ±1/2, ±1, ±2 and ∞."]
#[derive(Clone, Copy)]
pub struct F4x5;
impl crate::ops::conv::winograd::Transform<4, 5, 8> for F4x5 {
    #[inline(always)]
    fn input<V: crate::simd::Vector>([x0, x1, x2, x3, x4, x5, x6, x7]: [V; 8]) -> [V; 8] {
        let t0 = x2.scale_add(-5.25, x0);
        let t1 = x4.scale_add(5.25, t0);
        let t2 = t1 - x6;
        let t3 = x4.scale_add(-1.25, x2);
        let t4 = t3.scale_add(4.0, x6);
        let t5 = x3.scale_add(-1.25, x1);
        let t6 = t5.scale_add(4.0, x5);
        let t7 = t6.scale_add(0.5, t4);
        let t8 = t6.scale_add(-0.5, t4);
        let t9 = x2 + x6;
        let t10 = x4.scale_add(-4.25, t9);
        let t11 = x1 + x5;
        let t12 = x3.scale_add(-4.25, t11);
        let t13 = t10 + t12;
        let t14 = t10 - t12;
        let t15 = x4.scale_add(-5.0, x2);
        let t16 = t15.scale_add(0.25, x6);
        let t17 = x3.scale_add(-5.0, x1);
        let t18 = t17.scale_add(0.25, x5);
        let t19 = t18.scale_add(2.0, t16);
        let t20 = t18.scale_add(-2.0, t16);
        let t21 = x7 - x1;
        let t22 = x3.scale_add(5.25, t21);
        let t23 = x5.scale_add(-5.25, t22);
        [t2, t7, t8, t13, t14, t19, t20, t23]
    }
    #[inline(always)]
    fn weight<V: crate::simd::Vector>([x0, x1, x2, x3, x4]: [V; 5]) -> [V; 8] {
        let t0 = x2.scale_add(0.25, x0);
        let t1 = t0.scale_add(16.0, x4);
        let t2 = t1.scale(2.0 / 45.0);
        let t3 = x3.scale_add(0.25, x1);
        let t4 = t3.scale_add(16.0 / 45.0, t2);
        let t5 = t3.scale_add(-16.0 / 45.0, t2);
        let t6 = x0 + x2;
        let t7 = x4 + t6;
        let t8 = t7.scale(-2.0 / 9.0);
        let t9 = x1 + x3;
        let t10 = t9.scale_add(-2.0 / 9.0, t8);
        let t11 = t9.scale_add(2.0 / 9.0, t8);
        let t12 = x2.scale_add(4.0, x0);
        let t13 = t12.scale_add(0.0625, x4);
        let t14 = t13.scale(8.0 / 45.0);
        let t15 = x3.scale_add(4.0, x1);
        let t16 = t15.scale_add(1.0 / 45.0, t14);
        let t17 = t15.scale_add(-1.0 / 45.0, t14);
        [x0, t4, t5, t10, t11, t16, t17, x4]
    }
    #[inline(always)]
    fn output<V: crate::simd::Vector>([x0, x1, x2, x3, x4, x5, x6, x7]: [V; 8]) -> [V; 4] {
        let t0 = x3 + x4;
        let t1 = x0 + t0;
        let t2 = x1 + x2;
        let t3 = t1 + t2;
        let t4 = x5 + x6;
        let t5 = t3 + t4;
        let t6 = x3 - x4;
        let t7 = x1 - x2;
        let t8 = t7.scale_add(0.5, t6);
        let t9 = x5 - x6;
        let t10 = t9.scale_add(2.0, t8);
        let t11 = t2.scale_add(0.25, t0);
        let t12 = t4.scale_add(4.0, t11);
        let t13 = x7 + t6;
        let t14 = t7.scale_add(0.125, t13);
        let t15 = t9.scale_add(8.0, t14);
        [t5, t10, t12, t15]
    }
    #[inline(always)]
    fn output_adjoint<V: crate::simd::Vector>([x0, x1, x2, x3]: [V; 4]) -> [V; 8] {
        let t0 = x2.scale_add(0.25, x0);
        let t1 = x3.scale_add(0.25, x1);
        let t2 = t1.scale_add(0.5, t0);
        let t3 = t1.scale_add(-0.5, t0);
        let t4 = x0 + x2;
        let t5 = x1 + x3;
        let t6 = t4 + t5;
        let t7 = t4 - t5;
        let t8 = x2.scale_add(4.0, x0);
        let t9 = x3.scale_add(4.0, x1);
        let t10 = t9.scale_add(2.0, t8);
        let t11 = t9.scale_add(-2.0, t8);
        [x0, t2, t3, t6, t7, t10, t11, x3]
    }
    #[inline(always)]
    fn weight_adjoint<V: crate::simd::Vector>([x0, x1, x2, x3, x4, x5, x6, x7]: [V; 8]) -> [V; 5] {
        let t0 = x3 + x4;
        let t1 = t0.scale_add(-2.0 / 9.0, x0);
        let t2 = x1 + x2;
        let t3 = t2.scale_add(32.0 / 45.0, t1);
        let t4 = x5 + x6;
        let t5 = t4.scale_add(1.0 / 90.0, t3);
        let t6 = x3 - x4;
        let t7 = t6.scale(-2.0 / 9.0);
        let t8 = x1 - x2;
        let t9 = t8.scale_add(16.0 / 45.0, t7);
        let t10 = x5 - x6;
        let t11 = t10.scale_add(1.0 / 45.0, t9);
        let t12 = t0.scale(-2.0 / 9.0);
        let t13 = t2.scale_add(8.0 / 45.0, t12);
        let t14 = t4.scale_add(2.0 / 45.0, t13);
        let t15 = t8.scale_add(4.0 / 45.0, t7);
        let t16 = t10.scale_add(4.0 / 45.0, t15);
        let t17 = t0.scale_add(-2.0 / 9.0, x7);
        let t18 = t2.scale_add(2.0 / 45.0, t17);
        let t19 = t4.scale_add(8.0 / 45.0, t18);
        [t5, t11, t14, t16, t19]
    }
}
#[doc = "F(4, 3) on tiles of 6, from the points 0, ±5/8, ±3/2 and ∞."]
#[derive(Clone, Copy)]
pub struct F4x3;
impl crate::ops::conv::winograd::Transform<4, 3, 6> for F4x3 {
    #[inline(always)]
    fn input<V: crate::simd::Vector>([x0, x1, x2, x3, x4, x5]: [V; 6]) -> [V; 6] {
        let t0 = x0.scale_add(225.0 / 256.0, x4);
        let t1 = x2.scale_add(-169.0 / 64.0, t0);
        let t2 = x2.scale_add(-2.25, x4);
        let t3 = x1.scale_add(-2.25, x3);
        let t4 = t3.scale_add(0.625, t2);
        let t5 = t3.scale_add(-0.625, t2);
        let t6 = x2.scale_add(-25.0 / 64.0, x4);
        let t7 = x1.scale_add(-25.0 / 64.0, x3);
        let t8 = t7.scale_add(1.5, t6);
        let t9 = t7.scale_add(-1.5, t6);
        let t10 = x1.scale_add(225.0 / 256.0, x5);
        let t11 = x3.scale_add(-169.0 / 64.0, t10);
        [t1, t4, t5, t8, t9, t11]
    }
    #[inline(always)]
    fn weight<V: crate::simd::Vector>([x0, x1, x2]: [V; 3]) -> [V; 6] {
        let t0 = x0.scale(256.0 / 225.0);
        let t1 = x2.scale_add(25.0 / 64.0, x0);
        let t2 = t1.scale(-2048.0 / 2975.0);
        let t3 = x1.scale_add(-256.0 / 595.0, t2);
        let t4 = x1.scale_add(256.0 / 595.0, t2);
        let t5 = x2.scale_add(2.25, x0);
        let t6 = t5.scale(128.0 / 1071.0);
        let t7 = x1.scale_add(64.0 / 357.0, t6);
        let t8 = x1.scale_add(-64.0 / 357.0, t6);
        [t0, t3, t4, t7, t8, x2]
    }
    #[inline(always)]
    fn output<V: crate::simd::Vector>([x0, x1, x2, x3, x4, x5]: [V; 6]) -> [V; 4] {
        let t0 = x1 + x2;
        let t1 = x0 + t0;
        let t2 = x3 + x4;
        let t3 = t1 + t2;
        let t4 = x1 - x2;
        let t5 = t4.scale(0.625);
        let t6 = x3 - x4;
        let t7 = t6.scale_add(1.5, t5);
        let t8 = t0.scale(25.0 / 64.0);
        let t9 = t2.scale_add(2.25, t8);
        let t10 = t4.scale_add(125.0 / 512.0, x5);
        let t11 = t6.scale_add(3.375, t10);
        [t3, t7, t9, t11]
    }
    #[inline(always)]
    fn output_adjoint<V: crate::simd::Vector>([x0, x1, x2, x3]: [V; 4]) -> [V; 6] {
        let t0 = x2.scale_add(25.0 / 64.0, x0);
        let t1 = x3.scale_add(25.0 / 64.0, x1);
        let t2 = t1.scale_add(0.625, t0);
        let t3 = t1.scale_add(-0.625, t0);
        let t4 = x2.scale_add(2.25, x0);
        let t5 = x3.scale_add(2.25, x1);
        let t6 = t5.scale_add(1.5, t4);
        let t7 = t5.scale_add(-1.5, t4);
        [x0, t2, t3, t6, t7, x3]
    }
    #[inline(always)]
    fn weight_adjoint<V: crate::simd::Vector>([x0, x1, x2, x3, x4, x5]: [V; 6]) -> [V; 3] {
        let t0 = x0.scale(256.0 / 225.0);
        let t1 = x1 + x2;
        let t2 = t1.scale_add(-2048.0 / 2975.0, t0);
        let t3 = x3 + x4;
        let t4 = t3.scale_add(128.0 / 1071.0, t2);
        let t5 = x1.scale(-256.0 / 595.0);
        let t6 = x2.scale_add(256.0 / 595.0, t5);
        let t7 = x3.scale_add(64.0 / 357.0, t6);
        let t8 = x4.scale_add(-64.0 / 357.0, t7);
        let t9 = t1.scale_add(-32.0 / 119.0, x5);
        let t10 = t3.scale_add(32.0 / 119.0, t9);
        [t4, t8, t10]
    }
}
#[doc = "F(6, 3) on tiles of 8, from the points 0, ±1/2, ±1, ±2 and ∞."]
#[derive(Clone, Copy)]
pub struct F6x3;
impl crate::ops::conv::winograd::Transform<6, 3, 8> for F6x3 {
    #[inline(always)]
    fn input<V: crate::simd::Vector>([x0, x1, x2, x3, x4, x5, x6, x7]: [V; 8]) -> [V; 8] {
        let t0 = x2.scale_add(-5.25, x0);
        let t1 = x4.scale_add(5.25, t0);
        let t2 = t1 - x6;
        let t3 = x4.scale_add(-1.25, x2);
        let t4 = t3.scale_add(4.0, x6);
        let t5 = x3.scale_add(-1.25, x1);
        let t6 = t5.scale_add(4.0, x5);
        let t7 = t6.scale_add(0.5, t4);
        let t8 = t6.scale_add(-0.5, t4);
        let t9 = x2 + x6;
        let t10 = x4.scale_add(-4.25, t9);
        let t11 = x1 + x5;
        let t12 = x3.scale_add(-4.25, t11);
        let t13 = t10 + t12;
        let t14 = t10 - t12;
        let t15 = x4.scale_add(-5.0, x2);
        let t16 = t15.scale_add(0.25, x6);
        let t17 = x3.scale_add(-5.0, x1);
        let t18 = t17.scale_add(0.25, x5);
        let t19 = t18.scale_add(2.0, t16);
        let t20 = t18.scale_add(-2.0, t16);
        let t21 = x7 - x1;
        let t22 = x3.scale_add(5.25, t21);
        let t23 = x5.scale_add(-5.25, t22);
        [t2, t7, t8, t13, t14, t19, t20, t23]
    }
    #[inline(always)]
    fn weight<V: crate::simd::Vector>([x0, x1, x2]: [V; 3]) -> [V; 8] {
        let t0 = x2.scale_add(0.25, x0);
        let t1 = t0.scale(32.0 / 45.0);
        let t2 = x1.scale_add(16.0 / 45.0, t1);
        let t3 = x1.scale_add(-16.0 / 45.0, t1);
        let t4 = x0 + x2;
        let t5 = t4.scale(-2.0 / 9.0);
        let t6 = x1.scale_add(-2.0 / 9.0, t5);
        let t7 = x1.scale_add(2.0 / 9.0, t5);
        let t8 = x2.scale_add(4.0, x0);
        let t9 = t8.scale(1.0 / 90.0);
        let t10 = x1.scale_add(1.0 / 45.0, t9);
        let t11 = x1.scale_add(-1.0 / 45.0, t9);
        [x0, t2, t3, t6, t7, t10, t11, x2]
    }
    #[inline(always)]
    fn output<V: crate::simd::Vector>([x0, x1, x2, x3, x4, x5, x6, x7]: [V; 8]) -> [V; 6] {
        let t0 = x3 + x4;
        let t1 = x0 + t0;
        let t2 = x1 + x2;
        let t3 = t1 + t2;
        let t4 = x5 + x6;
        let t5 = t3 + t4;
        let t6 = x3 - x4;
        let t7 = x1 - x2;
        let t8 = t7.scale_add(0.5, t6);
        let t9 = x5 - x6;
        let t10 = t9.scale_add(2.0, t8);
        let t11 = t2.scale_add(0.25, t0);
        let t12 = t4.scale_add(4.0, t11);
        let t13 = t7.scale_add(0.125, t6);
        let t14 = t9.scale_add(8.0, t13);
        let t15 = t2.scale_add(0.0625, t0);
        let t16 = t4.scale_add(16.0, t15);
        let t17 = x7 + t6;
        let t18 = t7.scale_add(1.0 / 32.0, t17);
        let t19 = t9.scale_add(32.0, t18);
        [t5, t10, t12, t14, t16, t19]
    }
    #[inline(always)]
    fn output_adjoint<V: crate::simd::Vector>([x0, x1, x2, x3, x4, x5]: [V; 6]) -> [V; 8] {
        let t0 = x2.scale_add(0.25, x0);
        let t1 = x4.scale_add(0.0625, t0);
        let t2 = x3.scale_add(0.25, x1);
        let t3 = t2.scale_add(16.0, x5);
        let t4 = t3.scale_add(1.0 / 32.0, t1);
        let t5 = t3.scale_add(-1.0 / 32.0, t1);
        let t6 = x0 + x2;
        let t7 = x4 + t6;
        let t8 = x1 + x3;
        let t9 = x5 + t8;
        let t10 = t7 + t9;
        let t11 = t7 - t9;
        let t12 = x2.scale_add(4.0, x0);
        let t13 = x4.scale_add(16.0, t12);
        let t14 = x3.scale_add(4.0, x1);
        let t15 = t14.scale_add(0.0625, x5);
        let t16 = t15.scale_add(32.0, t13);
        let t17 = t15.scale_add(-32.0, t13);
        [x0, t4, t5, t10, t11, t16, t17, x5]
    }
    #[inline(always)]
    fn weight_adjoint<V: crate::simd::Vector>([x0, x1, x2, x3, x4, x5, x6, x7]: [V; 8]) -> [V; 3] {
        let t0 = x3 + x4;
        let t1 = t0.scale_add(-2.0 / 9.0, x0);
        let t2 = x1 + x2;
        let t3 = t2.scale_add(32.0 / 45.0, t1);
        let t4 = x5 + x6;
        let t5 = t4.scale_add(1.0 / 90.0, t3);
        let t6 = x1.scale(16.0 / 45.0);
        let t7 = x2.scale_add(-16.0 / 45.0, t6);
        let t8 = x3.scale_add(-2.0 / 9.0, t7);
        let t9 = x4.scale_add(2.0 / 9.0, t8);
        let t10 = x5.scale_add(1.0 / 45.0, t9);
        let t11 = x6.scale_add(-1.0 / 45.0, t10);
        let t12 = t0.scale_add(-2.0 / 9.0, x7);
        let t13 = t2.scale_add(8.0 / 45.0, t12);
        let t14 = t4.scale_add(2.0 / 45.0, t13);
        [t5, t11, t14]
    }
}
#[doc = "F(2, 3) on tiles of 4, from the points 0, ±1 and ∞."]
#[derive(Clone, Copy)]
pub struct F2x3;
impl crate::ops::conv::winograd::Transform<2, 3, 4> for F2x3 {
    #[inline(always)]
    fn input<V: crate::simd::Vector>([x0, x1, x2, x3]: [V; 4]) -> [V; 4] {
        let t0 = x0 - x2;
        let t1 = x1 + x2;
        let t2 = x2 - x1;
        let t3 = x3 - x1;
        [t0, t1, t2, t3]
    }
    #[inline(always)]
    fn weight<V: crate::simd::Vector>([x0, x1, x2]: [V; 3]) -> [V; 4] {
        let t0 = x0 + x2;
        let t1 = t0.scale(0.5);
        let t2 = x1.scale_add(0.5, t1);
        let t3 = x1.scale_add(-0.5, t1);
        [x0, t2, t3, x2]
    }
    #[inline(always)]
    fn output<V: crate::simd::Vector>([x0, x1, x2, x3]: [V; 4]) -> [V; 2] {
        let t0 = x0 + x1;
        let t1 = x2 + t0;
        let t2 = x1 + x3;
        let t3 = t2 - x2;
        [t1, t3]
    }
    #[inline(always)]
    fn output_adjoint<V: crate::simd::Vector>([x0, x1]: [V; 2]) -> [V; 4] {
        let t0 = x0 + x1;
        let t1 = x0 - x1;
        [x0, t0, t1, x1]
    }
    #[inline(always)]
    fn weight_adjoint<V: crate::simd::Vector>([x0, x1, x2, x3]: [V; 4]) -> [V; 3] {
        let t0 = x1 + x2;
        let t1 = t0.scale_add(0.5, x0);
        let t2 = x1.scale(0.5);
        let t3 = x2.scale_add(-0.5, t2);
        let t4 = t0.scale_add(0.5, x3);
        [t1, t3, t4]
    }
}
#[doc = "F(3, 3) on tiles of 5, from the points ±3/8, ±5/4 and ∞."]
#[derive(Clone, Copy)]
pub struct F3x3;
impl crate::ops::conv::winograd::Transform<3, 3, 5> for F3x3 {
    #[inline(always)]
    fn input<V: crate::simd::Vector>([x0, x1, x2, x3, x4]: [V; 5]) -> [V; 5] {
        let t0 = x1.scale_add(-1.5625, x3);
        let t1 = x0.scale_add(-1.5625, x2);
        let t2 = t1.scale_add(0.375, t0);
        let t3 = t1.scale_add(-0.375, t0);
        let t4 = x1.scale_add(-9.0 / 64.0, x3);
        let t5 = x0.scale_add(-9.0 / 64.0, x2);
        let t6 = t5.scale_add(1.25, t4);
        let t7 = t5.scale_add(-1.25, t4);
        let t8 = x0.scale_add(225.0 / 1024.0, x4);
        let t9 = x2.scale_add(-109.0 / 64.0, t8);
        [t2, t3, t6, t7, t9]
    }
    #[inline(always)]
    fn weight<V: crate::simd::Vector>([x0, x1, x2]: [V; 3]) -> [V; 5] {
        let t0 = x1.scale(-32.0 / 91.0);
        let t1 = x2.scale_add(9.0 / 64.0, x0);
        let t2 = t1.scale_add(-256.0 / 273.0, t0);
        let t3 = t1.scale_add(256.0 / 273.0, t0);
        let t4 = x1.scale(32.0 / 91.0);
        let t5 = x2.scale_add(1.5625, x0);
        let t6 = t5.scale_add(128.0 / 455.0, t4);
        let t7 = t5.scale_add(-128.0 / 455.0, t4);
        [t2, t3, t6, t7, x2]
    }
    #[inline(always)]
    fn output<V: crate::simd::Vector>([x0, x1, x2, x3, x4]: [V; 5]) -> [V; 3] {
        let t0 = x0 + x1;
        let t1 = x2 + x3;
        let t2 = t0 + t1;
        let t3 = x0.scale(0.375);
        let t4 = x1.scale_add(-0.375, t3);
        let t5 = x2.scale_add(1.25, t4);
        let t6 = x3.scale_add(-1.25, t5);
        let t7 = t0.scale_add(9.0 / 64.0, x4);
        let t8 = t1.scale_add(1.5625, t7);
        [t2, t6, t8]
    }
    #[inline(always)]
    fn output_adjoint<V: crate::simd::Vector>([x0, x1, x2]: [V; 3]) -> [V; 5] {
        let t0 = x2.scale_add(9.0 / 64.0, x0);
        let t1 = x1.scale_add(0.375, t0);
        let t2 = x1.scale_add(-0.375, t0);
        let t3 = x2.scale_add(1.5625, x0);
        let t4 = x1.scale_add(1.25, t3);
        let t5 = x1.scale_add(-1.25, t3);
        [t1, t2, t4, t5, x2]
    }
    #[inline(always)]
    fn weight_adjoint<V: crate::simd::Vector>([x0, x1, x2, x3, x4]: [V; 5]) -> [V; 3] {
        let t0 = x0 - x1;
        let t1 = t0.scale(-256.0 / 273.0);
        let t2 = x2 - x3;
        let t3 = t2.scale_add(128.0 / 455.0, t1);
        let t4 = x0.scale(-32.0 / 91.0);
        let t5 = x1.scale_add(-32.0 / 91.0, t4);
        let t6 = x2.scale_add(32.0 / 91.0, t5);
        let t7 = x3.scale_add(32.0 / 91.0, t6);
        let t8 = t0.scale_add(-12.0 / 91.0, x4);
        let t9 = t2.scale_add(40.0 / 91.0, t8);
        [t3, t7, t9]
    }
}
#[doc = "F(2, 5) on tiles of 6, from the points 0, ±5/8, ±3/2 and ∞."]
#[derive(Clone, Copy)]
pub struct F2x5;
impl crate::ops::conv::winograd::Transform<2, 5, 6> for F2x5 {
    #[inline(always)]
    fn input<V: crate::simd::Vector>([x0, x1, x2, x3, x4, x5]: [V; 6]) -> [V; 6] {
        let t0 = x0.scale_add(225.0 / 256.0, x4);
        let t1 = x2.scale_add(-169.0 / 64.0, t0);
        let t2 = x2.scale_add(-2.25, x4);
        let t3 = x1.scale_add(-2.25, x3);
        let t4 = t3.scale_add(0.625, t2);
        let t5 = t3.scale_add(-0.625, t2);
        let t6 = x2.scale_add(-25.0 / 64.0, x4);
        let t7 = x1.scale_add(-25.0 / 64.0, x3);
        let t8 = t7.scale_add(1.5, t6);
        let t9 = t7.scale_add(-1.5, t6);
        let t10 = x1.scale_add(225.0 / 256.0, x5);
        let t11 = x3.scale_add(-169.0 / 64.0, t10);
        [t1, t4, t5, t8, t9, t11]
    }
    #[inline(always)]
    fn weight<V: crate::simd::Vector>([x0, x1, x2, x3, x4]: [V; 5]) -> [V; 6] {
        let t0 = x0.scale(256.0 / 225.0);
        let t1 = x2.scale_add(25.0 / 64.0, x0);
        let t2 = x4.scale_add(625.0 / 4096.0, t1);
        let t3 = t2.scale(-2048.0 / 2975.0);
        let t4 = x3.scale_add(25.0 / 64.0, x1);
        let t5 = t4.scale_add(-256.0 / 595.0, t3);
        let t6 = t4.scale_add(256.0 / 595.0, t3);
        let t7 = x2.scale_add(2.25, x0);
        let t8 = x4.scale_add(5.0625, t7);
        let t9 = t8.scale(128.0 / 1071.0);
        let t10 = x3.scale_add(2.25, x1);
        let t11 = t10.scale_add(64.0 / 357.0, t9);
        let t12 = t10.scale_add(-64.0 / 357.0, t9);
        [t0, t5, t6, t11, t12, x4]
    }
    #[inline(always)]
    fn output<V: crate::simd::Vector>([x0, x1, x2, x3, x4, x5]: [V; 6]) -> [V; 2] {
        let t0 = x0 + x1;
        let t1 = x2 + t0;
        let t2 = x3 + t1;
        let t3 = x4 + t2;
        let t4 = x1.scale_add(0.625, x5);
        let t5 = x2.scale_add(-0.625, t4);
        let t6 = x3.scale_add(1.5, t5);
        let t7 = x4.scale_add(-1.5, t6);
        [t3, t7]
    }
    #[inline(always)]
    fn output_adjoint<V: crate::simd::Vector>([x0, x1]: [V; 2]) -> [V; 6] {
        let t0 = x1.scale_add(0.625, x0);
        let t1 = x1.scale_add(-0.625, x0);
        let t2 = x1.scale_add(1.5, x0);
        let t3 = x1.scale_add(-1.5, x0);
        [x0, t0, t1, t2, t3, x1]
    }
    #[inline(always)]
    fn weight_adjoint<V: crate::simd::Vector>([x0, x1, x2, x3, x4, x5]: [V; 6]) -> [V; 5] {
        let t0 = x0.scale(256.0 / 225.0);
        let t1 = x1 + x2;
        let t2 = t1.scale_add(-2048.0 / 2975.0, t0);
        let t3 = x3 + x4;
        let t4 = t3.scale_add(128.0 / 1071.0, t2);
        let t5 = x1 - x2;
        let t6 = t5.scale(-256.0 / 595.0);
        let t7 = x3 - x4;
        let t8 = t7.scale_add(64.0 / 357.0, t6);
        let t9 = t1.scale(-32.0 / 119.0);
        let t10 = t3.scale_add(32.0 / 119.0, t9);
        let t11 = t5.scale(-20.0 / 119.0);
        let t12 = t7.scale_add(48.0 / 119.0, t11);
        let t13 = t1.scale_add(-25.0 / 238.0, x5);
        let t14 = t3.scale_add(72.0 / 119.0, t13);
        [t4, t8, t10, t12, t14]
    }
}
#[doc = "F(2, 7) on tiles of 8, from the points 0, ±1/2, ±1, ±2 and ∞."]
#[derive(Clone, Copy)]
pub struct F2x7;
impl crate::ops::conv::winograd::Transform<2, 7, 8> for F2x7 {
    #[inline(always)]
    fn input<V: crate::simd::Vector>([x0, x1, x2, x3, x4, x5, x6, x7]: [V; 8]) -> [V; 8] {
        let t0 = x2.scale_add(-5.25, x0);
        let t1 = x4.scale_add(5.25, t0);
        let t2 = t1 - x6;
        let t3 = x4.scale_add(-1.25, x2);
        let t4 = t3.scale_add(4.0, x6);
        let t5 = x3.scale_add(-1.25, x1);
        let t6 = t5.scale_add(4.0, x5);
        let t7 = t6.scale_add(0.5, t4);
        let t8 = t6.scale_add(-0.5, t4);
        let t9 = x2 + x6;
        let t10 = x4.scale_add(-4.25, t9);
        let t11 = x1 + x5;
        let t12 = x3.scale_add(-4.25, t11);
        let t13 = t10 + t12;
        let t14 = t10 - t12;
        let t15 = x4.scale_add(-5.0, x2);
        let t16 = t15.scale_add(0.25, x6);
        let t17 = x3.scale_add(-5.0, x1);
        let t18 = t17.scale_add(0.25, x5);
        let t19 = t18.scale_add(2.0, t16);
        let t20 = t18.scale_add(-2.0, t16);
        let t21 = x7 - x1;
        let t22 = x3.scale_add(5.25, t21);
        let t23 = x5.scale_add(-5.25, t22);
        [t2, t7, t8, t13, t14, t19, t20, t23]
    }
    #[inline(always)]
    fn weight<V: crate::simd::Vector>([x0, x1, x2, x3, x4, x5, x6]: [V; 7]) -> [V; 8] {
        let t0 = x2.scale_add(0.25, x0);
        let t1 = x6.scale_add(0.25, x4);
        let t2 = t1.scale_add(0.0625, t0);
        let t3 = t2.scale(32.0 / 45.0);
        let t4 = x3.scale_add(0.25, x1);
        let t5 = t4.scale_add(16.0, x5);
        let t6 = t5.scale_add(1.0 / 45.0, t3);
        let t7 = t5.scale_add(-1.0 / 45.0, t3);
        let t8 = x0 + x2;
        let t9 = x4 + x6;
        let t10 = t8 + t9;
        let t11 = t10.scale(-2.0 / 9.0);
        let t12 = x1 + x3;
        let t13 = x5 + t12;
        let t14 = t13.scale_add(-2.0 / 9.0, t11);
        let t15 = t13.scale_add(2.0 / 9.0, t11);
        let t16 = x2.scale_add(4.0, x0);
        let t17 = x6.scale_add(4.0, x4);
        let t18 = t17.scale_add(16.0, t16);
        let t19 = t18.scale(1.0 / 90.0);
        let t20 = x3.scale_add(4.0, x1);
        let t21 = t20.scale_add(0.0625, x5);
        let t22 = t21.scale_add(16.0 / 45.0, t19);
        let t23 = t21.scale_add(-16.0 / 45.0, t19);
        [x0, t6, t7, t14, t15, t22, t23, x6]
    }
    #[inline(always)]
    fn output<V: crate::simd::Vector>([x0, x1, x2, x3, x4, x5, x6, x7]: [V; 8]) -> [V; 2] {
        let t0 = x0 + x3;
        let t1 = x1 + t0;
        let t2 = x2 + t1;
        let t3 = x4 + t2;
        let t4 = x5 + t3;
        let t5 = x6 + t4;
        let t6 = x3 + x7;
        let t7 = x1.scale_add(0.5, t6);
        let t8 = x2.scale_add(-0.5, t7);
        let t9 = t8 - x4;
        let t10 = x5.scale_add(2.0, t9);
        let t11 = x6.scale_add(-2.0, t10);
        [t5, t11]
    }
    #[inline(always)]
    fn output_adjoint<V: crate::simd::Vector>([x0, x1]: [V; 2]) -> [V; 8] {
        let t0 = x1.scale_add(0.5, x0);
        let t1 = x1.scale_add(-0.5, x0);
        let t2 = x0 + x1;
        let t3 = x0 - x1;
        let t4 = x1.scale_add(2.0, x0);
        let t5 = x1.scale_add(-2.0, x0);
        [x0, t0, t1, t2, t3, t4, t5, x1]
    }
    #[inline(always)]
    fn weight_adjoint<V: crate::simd::Vector>([x0, x1, x2, x3, x4, x5, x6, x7]: [V; 8]) -> [V; 7] {
        let t0 = x3 + x4;
        let t1 = t0.scale_add(-2.0 / 9.0, x0);
        let t2 = x1 + x2;
        let t3 = t2.scale_add(32.0 / 45.0, t1);
        let t4 = x5 + x6;
        let t5 = t4.scale_add(1.0 / 90.0, t3);
        let t6 = x3 - x4;
        let t7 = t6.scale(-2.0 / 9.0);
        let t8 = x1 - x2;
        let t9 = t8.scale_add(16.0 / 45.0, t7);
        let t10 = x5 - x6;
        let t11 = t10.scale_add(1.0 / 45.0, t9);
        let t12 = t0.scale(-2.0 / 9.0);
        let t13 = t2.scale_add(8.0 / 45.0, t12);
        let t14 = t4.scale_add(2.0 / 45.0, t13);
        let t15 = t8.scale_add(4.0 / 45.0, t7);
        let t16 = t10.scale_add(4.0 / 45.0, t15);
        let t17 = t2.scale_add(2.0 / 45.0, t12);
        let t18 = t4.scale_add(8.0 / 45.0, t17);
        let t19 = t8.scale_add(1.0 / 45.0, t7);
        let t20 = t10.scale_add(16.0 / 45.0, t19);
        let t21 = t0.scale_add(-2.0 / 9.0, x7);
        let t22 = t2.scale_add(1.0 / 90.0, t21);
        let t23 = t4.scale_add(32.0 / 45.0, t22);
        [t5, t11, t14, t16, t18, t20, t23]
    }
}
