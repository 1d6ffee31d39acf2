; The collector write-protects pages and learns by SIGSEGV which were written; a fault that is none of its own it passes
; on to the handler before it, which is ECL's.
(defvar *old* (make-array 200000 :initial-element nil))
(dotimes (round 60)
  (dotimes (i 20000) (setf (aref *old* (mod (* i 7919 (+ round 1)) 200000)) (list i round))))
(let ((sum 0))
  (dotimes (i 200000) (let ((x (aref *old* i))) (when x (incf sum (+ (first x) (second x))))))
  (print sum))
(print (handler-case (ffi:deref-pointer (ffi:make-pointer 8 :int) :int) (ext:segmentation-violation () :fault)))
(terpri)
