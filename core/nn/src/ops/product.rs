//! Matrix products on one thread; the callers spread them over tasks.

/// A matrix in a slice: element `(row, column)` is at `row * row_stride + column * column_stride`.
#[derive(Clone, Copy)]
pub(super) struct Matrix<'a> {
    values: &'a [f32],
    row_stride: usize,
    column_stride: usize,
}

impl<'a> Matrix<'a> {
    /// A row-major matrix with rows of `width` values.
    pub(super) fn rows(values: &'a [f32], width: usize) -> Self {
        Self { values, row_stride: width, column_stride: 1 }
    }

    /// Its transpose.
    pub(super) fn transposed(self) -> Self {
        Self { values: self.values, row_stride: self.column_stride, column_stride: self.row_stride }
    }

    /// Its columns from `column` on.
    pub(super) fn columns_from(self, column: usize) -> Self {
        Self { values: &self.values[column * self.column_stride..], ..self }
    }

    fn covers(self, rows: usize, columns: usize) -> bool {
        let last = (rows.max(1) - 1) * self.row_stride + (columns.max(1) - 1) * self.column_stride;
        last < self.values.len()
    }
}

/// The way a product is stored: in place of its destination, or added to it.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Store {
    Replace,
    Add,
}

/// `target[rows, columns] (+)= left[rows, inner] right[inner, columns]`, with a row-major target.
pub(super) fn multiply(
    target: &mut [f32],
    [rows, inner, columns]: [usize; 3],
    left: Matrix<'_>,
    right: Matrix<'_>,
    store: Store,
) {
    assert!(target.len() >= rows * columns && left.covers(rows, inner) && right.covers(inner, columns));
    // SAFETY: the three matrices lie inside their slices, and the target is borrowed mutably, so it
    // overlaps neither factor.
    unsafe {
        gemm::gemm(
            rows,
            columns,
            inner,
            target.as_mut_ptr(),
            1,
            columns as isize,
            store == Store::Add,
            left.values.as_ptr(),
            left.column_stride as isize,
            left.row_stride as isize,
            right.values.as_ptr(),
            right.column_stride as isize,
            right.row_stride as isize,
            1.0,
            1.0,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_replace_or_add_and_take_transposes() {
        let left = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]; // 2 x 3
        let right = [1.0, 0.0, 2.0, 1.0, 1.0, -1.0]; // 3 x 2, or 2 x 3 transposed
        let mut target = [10.0; 4];
        multiply(&mut target, [2, 3, 2], Matrix::rows(&left, 3), Matrix::rows(&right, 2), Store::Replace);
        assert_eq!(target, [8.0, -1.0, 20.0, -1.0]);
        let transposed = Matrix::rows(&right, 3).transposed();
        multiply(&mut target, [2, 3, 2], Matrix::rows(&left, 3), transposed, Store::Add);
        assert_eq!(target, [8.0 + 7.0, -1.0 + 0.0, 20.0 + 16.0, -1.0 + 3.0]);
    }
}
